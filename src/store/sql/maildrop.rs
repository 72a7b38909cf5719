//! What POP3 maildrops held, and the copies on servers that are to be deleted.

use super::Sql;

statements! {
    MAILDROP_CURSOR = [
        "SELECT uid_validity, generation, last_uid, starts_over FROM inbox_cursors WHERE mailbox = $1"];
    MAILDROP = [
        "SELECT uid, uidl, uidl_rank, size, message_id FROM inbox_ledger "
        {indexed "inbox_ledger_uidls"}
        " WHERE mailbox = $1 AND uid_validity = $2 AND generation = $3 AND uidl IS NOT NULL AND \
         coalesce(server_copy, '') <> 'gone'"];
    DUE_COPIES = [
        "SELECT uid, size, internal_date, message_id FROM inbox_ledger "
        {indexed "inbox_ledger_due"}
        " WHERE mailbox = $1 AND uid_validity = $2 AND generation = $3 AND judged_at <= $4 AND \
         server_copy IN ('due', 'pending') ORDER BY judged_at, uid LIMIT $5"];
    MARK_COPIES = [
        "UPDATE inbox_ledger SET server_copy = $5 WHERE mailbox = $1 AND uid_validity = $2 AND \
         generation = $3 AND uid "
        {ids "$4"}];
}
