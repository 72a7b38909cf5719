//! How values of the vocabulary lie in the columns of each database.
//!
//! SQLite keeps identifiers and times as text, PostgreSQL has types for them; both keep hashes as
//! bytes. Lists travel as one parameter: a JSON array on SQLite, an array on PostgreSQL.

use std::{borrow::Cow, sync::Arc};

use serde::Serialize;
use sqlx::{
    Decode, Encode, Postgres, Sqlite, Type,
    encode::IsNull,
    error::BoxDynError,
    postgres::{PgTypeInfo, types::Oid},
};
use uuid::Uuid;

use crate::model::{
    maildrop::UidlName,
    message::{MessageKey, Sha256},
    timestamp::Timestamp,
};

type Encoded = Result<IsNull, BoxDynError>;
type LiteBuffer = <Sqlite as sqlx::Database>::ArgumentBuffer;
type PgBuffer = <Postgres as sqlx::Database>::ArgumentBuffer;
type LiteValue<'r> = <Sqlite as sqlx::Database>::ValueRef<'r>;
type PgValue<'r> = <Postgres as sqlx::Database>::ValueRef<'r>;

/// PostgreSQL counts microseconds from 2000-01-01.
const PG_EPOCH: i64 = 946_684_800_000_000;

/// Implements `Type` by borrowing the types of `$lite` and of the PostgreSQL type with `$oid`.
macro_rules! column_type {
    ($name:ty, $lite:ty, $oid:literal) => {
        impl Type<Sqlite> for $name {
            fn type_info() -> <Sqlite as sqlx::Database>::TypeInfo {
                <$lite as Type<Sqlite>>::type_info()
            }

            fn compatible(found: &<Sqlite as sqlx::Database>::TypeInfo) -> bool {
                <$lite as Type<Sqlite>>::compatible(found)
            }
        }

        impl Type<Postgres> for $name {
            fn type_info() -> PgTypeInfo {
                PgTypeInfo::with_oid(Oid($oid))
            }
        }
    };
}

/// Implements `Encode` for SQLite by encoding what `$make` makes.
macro_rules! lite_encode {
    ($name:ty, |$value:ident| $make:expr) => {
        impl<'q> Encode<'q, Sqlite> for $name {
            fn encode_by_ref(&self, buffer: &mut LiteBuffer) -> Encoded {
                let $value = self;
                Encode::<Sqlite>::encode($make, buffer)
            }
        }
    };
}

/// Implements `Encode` for PostgreSQL by encoding what `$make` makes.
macro_rules! pg_encode {
    ($name:ty, |$value:ident| $make:expr) => {
        impl<'q> Encode<'q, Postgres> for $name {
            fn encode_by_ref(&self, buffer: &mut PgBuffer) -> Encoded {
                let $value = self;
                Encode::<Postgres>::encode($make, buffer)
            }
        }
    };
}

/// An identifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Id(pub Uuid);

column_type!(Id, str, 2950);
lite_encode!(Id, |id| id.0.hyphenated().to_string());
pg_encode!(Id, |id| id.0);

impl<'r> Decode<'r, Sqlite> for Id {
    fn decode(value: LiteValue<'r>) -> Result<Self, BoxDynError> {
        Ok(Self(<&str as Decode<Sqlite>>::decode(value)?.parse()?))
    }
}

impl<'r> Decode<'r, Postgres> for Id {
    fn decode(value: PgValue<'r>) -> Result<Self, BoxDynError> {
        Ok(Self(<Uuid as Decode<Postgres>>::decode(value)?))
    }
}

/// A point in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Time(pub Timestamp);

column_type!(Time, str, 1184);
lite_encode!(Time, |time| time.0.to_string());
pg_encode!(Time, |time| time.0.as_micros() - PG_EPOCH);

impl<'r> Decode<'r, Sqlite> for Time {
    fn decode(value: LiteValue<'r>) -> Result<Self, BoxDynError> {
        Ok(Self(<&str as Decode<Sqlite>>::decode(value)?.parse()?))
    }
}

impl<'r> Decode<'r, Postgres> for Time {
    fn decode(value: PgValue<'r>) -> Result<Self, BoxDynError> {
        let micros = <i64 as Decode<Postgres>>::decode(value)?;
        Ok(Self(Timestamp::from_micros(micros.saturating_add(PG_EPOCH))))
    }
}

/// A SHA-256 value or a message key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hash(pub [u8; 32]);

impl From<Sha256> for Hash {
    fn from(value: Sha256) -> Self {
        Self(value.0)
    }
}

impl From<MessageKey> for Hash {
    fn from(key: MessageKey) -> Self {
        Self(key.0)
    }
}

impl From<UidlName> for Hash {
    fn from(name: UidlName) -> Self {
        Self(name.0)
    }
}

impl From<Hash> for MessageKey {
    fn from(hash: Hash) -> Self {
        Self(hash.0)
    }
}

column_type!(Hash, [u8], 17);
lite_encode!(Hash, |hash| hash.0.as_slice());
pg_encode!(Hash, |hash| hash.0.as_slice());

impl<'r> Decode<'r, Sqlite> for Hash {
    fn decode(value: LiteValue<'r>) -> Result<Self, BoxDynError> {
        Ok(Self(<&[u8] as Decode<Sqlite>>::decode(value)?.try_into()?))
    }
}

impl<'r> Decode<'r, Postgres> for Hash {
    fn decode(value: PgValue<'r>) -> Result<Self, BoxDynError> {
        Ok(Self(<&[u8] as Decode<Postgres>>::decode(value)?.try_into()?))
    }
}

/// Text out of a mail. PostgreSQL cannot keep NUL, so both keep the replacement character instead.
#[derive(Clone, Copy, Debug)]
pub struct MailText<'a>(pub &'a str);

impl<'a> MailText<'a> {
    /// The text as both databases keep it.
    pub fn kept(self) -> Cow<'a, str> {
        if self.0.contains('\0') { Cow::Owned(self.0.replace('\0', "\u{fffd}")) } else { Cow::Borrowed(self.0) }
    }
}

column_type!(MailText<'_>, str, 25);
lite_encode!(MailText<'_>, |text| text.kept().into_owned());
pg_encode!(MailText<'_>, |text| text.kept().as_ref());

/// A JSON document.
#[derive(Clone, Debug)]
pub struct Json(pub String);

impl Json {
    /// Rows for a statement that takes many: an array of objects.
    pub fn records<T: Serialize>(rows: &[T]) -> Self {
        // Structures of texts and numbers have a JSON; an empty text is what no database would take for one.
        Self(serde_json::to_string(rows).unwrap_or_default())
    }
}

column_type!(Json, str, 3802);
lite_encode!(Json, |json| json.0.as_str());

impl<'q> Encode<'q, Postgres> for Json {
    fn encode_by_ref(&self, buffer: &mut PgBuffer) -> Encoded {
        // The binary form of JSONB is its version, 1, and the text. JSONB has no NUL either.
        buffer.push(1);
        Encode::<Postgres>::encode(self.0.replace("\\u0000", "\\ufffd"), buffer)
    }
}

/// Bytes that are copied only when they are bound.
#[derive(Clone, Debug)]
pub struct Bytes(pub Arc<Vec<u8>>);

column_type!(Bytes, [u8], 17);

impl<'q> Encode<'q, Sqlite> for Bytes {
    fn encode(self, buffer: &mut LiteBuffer) -> Encoded {
        // Without another owner left the vector moves into the parameter.
        Encode::<Sqlite>::encode(Arc::unwrap_or_clone(self.0), buffer)
    }

    fn encode_by_ref(&self, buffer: &mut LiteBuffer) -> Encoded {
        Encode::<Sqlite>::encode(self.0.as_slice(), buffer)
    }
}

pg_encode!(Bytes, |bytes| bytes.0.as_slice());

/// Implements a list parameter: JSON array of `$text` on SQLite, array of `$item` on PostgreSQL.
macro_rules! list {
    ($(#[$doc:meta])* $name:ident, $item:ty, $oid:literal, |$value:ident| $text:expr, |$native:ident| $make:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug)]
        pub struct $name(pub Vec<$item>);

        column_type!($name, str, $oid);
        lite_encode!($name, |list| {
            let texts: Vec<_> = list.0.iter().map(|$value| $text).collect();
            serde_json::to_string(&texts)?
        });
        pg_encode!($name, |list| list.0.iter().map(|$native| $make).collect::<Vec<_>>());
    };
}

list!(
    /// Identifiers.
    Ids, Id, 2951, |id| id.0.hyphenated().to_string(), |id| id.0
);
list!(
    /// Hashes; SQL turns the hexadecimal of SQLite's JSON back.
    Hashes, Hash, 1001, |hash| Sha256(hash.0).to_string(), |hash| hash.0.as_slice()
);
list!(
    /// Numbers.
    Numbers, i64, 1016, |number| *number, |number| *number
);
list!(
    /// Times.
    Times, Time, 1185, |time| time.0.to_string(), |time| *time
);

impl sqlx::postgres::PgHasArrayType for Time {
    fn array_type_info() -> PgTypeInfo {
        PgTypeInfo::with_oid(Oid(1185))
    }
}
