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
