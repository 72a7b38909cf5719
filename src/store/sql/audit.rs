//! Of `audit_log`.

use super::Sql;

statements! {
    ADD_AUDIT = [
        "INSERT INTO audit_log (occurred_at, who, what, subject, before, after) VALUES ($1, $2, $3, $4, \
         $5, $6)"];
    AUDIT = [
        "SELECT sequence, occurred_at, who, what, subject, CAST(before AS TEXT) AS before, CAST(after AS TEXT) AS after \
         FROM audit_log WHERE occurred_at >= $1 AND (NOT $2 OR subject " {ids "$3"} ") ORDER BY sequence DESC LIMIT $4"];
}
