//! Log-ins that were refused.

use super::Sql;

statements! {
    REFUSED_ACCOUNTS = [ "SELECT DISTINCT host, username FROM refused_log_ins"];
    REFUSED_LOG_INS = [
        "SELECT refused_at, mark FROM refused_log_ins WHERE username = $1 AND host = $2 ORDER BY refused_at"];
    NOTE_REFUSED = [ "INSERT INTO refused_log_ins (host, username, refused_at, mark) VALUES ($1, $2, $3, $4)"];
    FORGET_OLD_REFUSALS = [ "DELETE FROM refused_log_ins WHERE refused_at < $1"];
    FORGET_REFUSALS = [ "DELETE FROM refused_log_ins WHERE username = $1 AND host = $2"];
    // The times stay: a person may be sure of a password, and the server count all the same.
    FORGIVE = [
        "UPDATE refused_log_ins SET mark = $2 WHERE username IN (SELECT m.username FROM mailboxes m WHERE m.id "
        {ids "$1"}
        " UNION SELECT p.username FROM mailboxes m JOIN server_profiles p ON p.id = m.server_profile WHERE p.username IS \
         NOT NULL AND m.id "
        {ids "$1"}
        ")"];
    LET_IN = [
        "SELECT server_profile, count(*) FROM mailboxes WHERE incoming_last_success_at > $1 AND server_profile IS NOT \
         NULL GROUP BY server_profile"];
    LET_IN_OUTGOING = [
        "SELECT server_profile, count(*) FROM mailboxes WHERE outgoing_last_success_at > $1 AND server_profile IS NOT \
         NULL GROUP BY server_profile"];
    TAKE_BACK = [
        "UPDATE mailboxes SET incoming_enabled = TRUE, incoming_confirmations = 0, incoming_failing_since = NULL, \
         incoming_failure_code = NULL, incoming_last_error = NULL, incoming_postponed_until = NULL, \
         incoming_next_due_at = $2 WHERE server_profile = $1 AND incoming_failure_code = $3 AND \
         incoming_failing_since >= $4 AND (incoming_enabled OR incoming_next_due_at IS NULL)"];
    TAKE_BACK_OUTGOING = [
        "UPDATE mailboxes SET outgoing_enabled = TRUE, outgoing_confirmations = 0, outgoing_failing_since = NULL, \
         outgoing_failure_code = NULL, outgoing_last_error = NULL, outgoing_postponed_until = NULL, \
         outgoing_next_due_at = $2 WHERE server_profile = $1 AND outgoing_failure_code = $3 AND \
         outgoing_failing_since >= $4 AND (outgoing_enabled OR outgoing_next_due_at IS NULL)"];
    // Before the charges, by which the mailboxes are known.
    TAKE_BACK_ALERTS = [
        "UPDATE alerts SET incoming_severity = NULL, severity = coalesce(outgoing_severity, severity), closed_at = CASE WHEN \
         outgoing_severity IS NULL THEN $2 ELSE closed_at END WHERE code = $3 AND closed_at IS NULL AND incoming_severity IS NOT NULL AND subject IN (SELECT id FROM mailboxes WHERE server_profile = $1 AND \
         incoming_failure_code = $3 AND incoming_failing_since >= $4 AND (incoming_enabled OR incoming_next_due_at IS NULL))"];
    TAKE_BACK_ALERTS_OUTGOING = [
        "UPDATE alerts SET outgoing_severity = NULL, severity = coalesce(incoming_severity, severity), closed_at = CASE WHEN \
         incoming_severity IS NULL THEN $2 ELSE closed_at END WHERE code = $3 AND closed_at IS NULL AND outgoing_severity IS NOT NULL AND subject IN (SELECT id FROM mailboxes WHERE server_profile = $1 AND \
         outgoing_failure_code = $3 AND outgoing_failing_since >= $4 AND (outgoing_enabled OR outgoing_next_due_at IS NULL))"];
    RETRY_REFUSED = [
        "UPDATE server_profiles SET hold_until = $2 WHERE hold_until > $2 AND hold_code IN "
        "('auth-rejected', 'auth-unclear', 'auth-expired', 'auth-interactive', 'auth-mass-refused', 'login-guarded', \
         'credentials-missing')"
        " AND id IN (SELECT server_profile FROM mailboxes WHERE id "
        {ids "$1"}
        ")"];
    RETRY_REFUSED_OUTGOING = [
        "UPDATE server_profiles SET outgoing_hold_until = $2 WHERE outgoing_hold_until > $2 AND outgoing_hold_code IN "
        "('auth-rejected', 'auth-unclear', 'auth-expired', 'auth-interactive', 'auth-mass-refused', 'login-guarded', \
         'credentials-missing')"
        " AND id IN (SELECT server_profile FROM mailboxes WHERE id "
        {ids "$1"}
        ")"];
}
