//! Messages that were set aside and are tried again.

use super::Sql;

statements! {
    REQUEST_RETRY = [
        "UPDATE inbox_ledger SET retry_requested_at = $5, retry_attempts = 0 WHERE mailbox = $1 AND uid_validity = $2 AND generation = $3 \
         AND uid = $4 AND verdict = 'set_aside'"];
    RETRIES = [
        "SELECT uid_validity, generation, uid, internal_date, size, uidl, uidl_rank, failure_code, failure_detail, \
         source, retry_attempts FROM inbox_ledger "
        {indexed "inbox_ledger_retries"}
        " WHERE mailbox = $1 AND retry_requested_at IS NOT NULL ORDER BY generation, uid_validity, uid"];
    BEGIN_RETRY = [
        "UPDATE inbox_ledger SET retry_attempts = retry_attempts + 1 WHERE mailbox = $1 AND uid_validity = $2 AND \
         generation = $3 AND uid = $4"];
    KEPT = [
        "SELECT size, encoding, bytes FROM email_sources WHERE sha256 = $1"];
}
