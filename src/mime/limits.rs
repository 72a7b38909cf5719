//! What is refused before the parser sees it, and how much is kept afterwards.

/// Bounds on one message. The defaults leave ordinary mail far below them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Longest header, in bytes, up to the first empty line.
    pub header_bytes: usize,
    /// Most fields in the header.
    pub header_fields: usize,
    /// Longest field, in bytes, its continuation lines included.
    pub field_bytes: usize,
    /// Most parameters of one `Content-…` field.
    pub parameters: usize,
    /// Most addresses kept; more are left out with a note.
    pub addresses: usize,
    /// Deepest nesting of multiparts and attached messages read; what is deeper stays one part.
    pub depth: usize,
    /// Most parts read; the rest stays in the last one.
    pub parts: usize,
    /// Most line ends and separators (`,` `;` `:` `<`) in a message whose structure is read. Every
    /// header field, address and parameter costs one, wherever it hides, so this bounds the parser's
    /// memory without knowing the structure.
    pub separators: usize,
    /// Longest text kept, in bytes of UTF-8.
    pub text_bytes: usize,
    /// Longest HTML kept, in bytes of UTF-8.
    pub html_bytes: usize,
    /// Most identifiers kept of References: the first and the newest ones.
    pub references: usize,
    /// Longest identifier, file name or type kept, in bytes of UTF-8.
    pub name_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            header_bytes: 1 << 20,
            header_fields: 2_000,
            field_bytes: 64 << 10,
            parameters: 500,
            addresses: 1_000,
            depth: 50,
            parts: 1_000,
            separators: 1_500_000,
            text_bytes: 2 << 20,
            html_bytes: 5 << 20,
            references: 200,
            name_bytes: 998,
        }
    }
}

/// Why a message is set aside instead of being read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// See [`Limits::header_bytes`].
    #[error("the header is longer than {0} bytes")]
    Header(usize),
    /// See [`Limits::header_fields`].
    #[error("the header has more than {0} fields")]
    Fields(usize),
    /// See [`Limits::field_bytes`].
    #[error("a header field is longer than {0} bytes")]
    Field(usize),
    /// See [`Limits::parameters`].
    #[error("a header field has more than {0} parameters")]
    Parameters(usize),
}

/// How much of a message may be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Depth {
    /// All of it.
    Whole,
    /// Only the header: the rest could make the parser need too much memory.
    Header,
}

impl Limits {
    /// Looks at the bytes once, allocating nothing.
    pub(super) fn check(&self, raw: &[u8]) -> Result<Depth, Malformed> {
        self.check_header(raw)?;
        // No byte is more than one separator: short messages need no counting.
        if raw.len() <= self.separators || separators(raw) <= self.separators {
            Ok(Depth::Whole)
        } else {
            Ok(Depth::Header)
        }
    }

    fn check_header(&self, raw: &[u8]) -> Result<(), Malformed> {
        let head = raw.get(..=self.header_bytes).unwrap_or(raw);
        let (mut fields, mut field_bytes, mut parameters) = (0, 0, 0);
        let (mut in_field, mut structured) = (false, false);
        for line in head.split_inclusive(|byte| *byte == b'\n') {
            let continues = in_field && line.starts_with_space();
            if !continues {
                if line.trim_ascii().is_empty() {
                    return Ok(());
                }
                fields += 1;
                (field_bytes, parameters) = (0, 0);
                in_field = line.contains(&b':');
                structured = line.get(..8).is_some_and(|name| name.eq_ignore_ascii_case(b"content-"));
            }
            field_bytes += line.len();
            if structured {
                parameters += line.iter().filter(|byte| **byte == b';').count();
            }
            if fields > self.header_fields {
                return Err(Malformed::Fields(self.header_fields));
            }
            if field_bytes > self.field_bytes {
                return Err(Malformed::Field(self.field_bytes));
            }
            if parameters > self.parameters {
                return Err(Malformed::Parameters(self.parameters));
            }
        }
        if raw.len() > self.header_bytes { Err(Malformed::Header(self.header_bytes)) } else { Ok(()) }
    }
}

trait Line {
    fn starts_with_space(&self) -> bool;
}

impl Line for [u8] {
    fn starts_with_space(&self) -> bool {
        matches!(self.first(), Some(b' ' | b'\t'))
    }
}

/// Counts in chunks of bytes that fit a `u8`, which the compiler turns into vector instructions.
fn separators(raw: &[u8]) -> usize {
    let in_chunk =
        |chunk: &[u8]| chunk.iter().map(|byte| u8::from(matches!(byte, b'\n' | b',' | b';' | b':' | b'<'))).sum::<u8>();
    raw.chunks(255).map(|chunk| usize::from(in_chunk(chunk))).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(raw: &[u8]) -> Result<Depth, Malformed> {
        Limits::default().check(raw)
    }

    #[test]
    fn ordinary_and_empty_messages_pass() {
        for raw in [&b""[..], b"\r\n", b"Subject: a\r\n\tb\r\n\r\nbody", b"no header at all", b"\0\xff\n"] {
            assert_eq!(check(raw), Ok(Depth::Whole), "{raw:?}");
        }
    }

    #[test]
    fn each_limit_of_the_header_is_exact() {
        let many = |count: usize| [b"a:b\n".repeat(count), b"\nbody".to_vec()].concat();
        assert_eq!(check(&many(2_000)), Ok(Depth::Whole));
        assert_eq!(check(&many(2_001)), Err(Malformed::Fields(2_000)));

        let long = |bytes: usize| [b"a:".to_vec(), vec![b'x'; bytes - 3], b"\n\nbody".to_vec()].concat();
        assert_eq!(check(&long(64 << 10)), Ok(Depth::Whole));
        assert_eq!(check(&long((64 << 10) + 1)), Err(Malformed::Field(64 << 10)));
        let folded = [b"a:\n".to_vec(), b" x\n".repeat(30_000)].concat();
        assert_eq!(check(&folded), Err(Malformed::Field(64 << 10)));

        let block = |fields: usize| [format!("a:{}\n", "x".repeat(1_021)).repeat(fields).as_bytes(), b"\n"].concat();
        assert_eq!(check(&block(1_024)), Ok(Depth::Whole));
        assert_eq!(check(&block(1_025)), Err(Malformed::Header(1 << 20)));

        let parameters = |count: usize| format!("Content-Type: a/b{}\n\n", ";a=b".repeat(count)).into_bytes();
        assert_eq!(check(&parameters(500)), Ok(Depth::Whole));
        assert_eq!(check(&parameters(501)), Err(Malformed::Parameters(500)));
    }

    #[test]
    fn a_body_is_no_header_however_long() {
        let raw = [b"Subject: a\n\n".to_vec(), vec![b'x'; 3 << 20]].concat();
        assert_eq!(check(&raw), Ok(Depth::Whole));
    }

    #[test]
    fn a_swarm_of_separators_is_not_parsed() {
        let limits = Limits { separators: 1_000, ..Limits::default() };
        let body = |marks: usize| [b"\n".to_vec(), b"a:".repeat(marks)].concat();
        assert_eq!(limits.check(&body(999)), Ok(Depth::Whole));
        assert_eq!(limits.check(&body(1_000)), Ok(Depth::Header));
    }
}
