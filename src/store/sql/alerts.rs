//! Alerts.

use super::Sql;

statements! {
    RAISE_ALERT = [
        "INSERT INTO alerts (id, subject_kind, subject, severity, code, text, hint, first_seen, last_seen, count, \
         incoming, outgoing) SELECT $1, $2, $3, $4, $5, $6, $7, $8, $8, 1, $9, $10 WHERE EXISTS (SELECT 1 FROM \
         alert_severities WHERE severity = $4 AND is_raised) ON CONFLICT (subject, code) WHERE closed_at IS NULL DO \
         UPDATE SET severity = excluded.severity, text = excluded.text, hint = excluded.hint, last_seen = \
         excluded.last_seen, count = alerts.count + 1, incoming = alerts.incoming OR excluded.incoming, outgoing = \
         alerts.outgoing OR excluded.outgoing"];
    CLOSE_ALERT = [
        "UPDATE alerts SET closed_at = $3 WHERE subject = $1 AND code = $2 AND closed_at IS NULL"];
    CLOSE_ALERTS = [
        "UPDATE alerts SET closed_at = $3 WHERE subject = $1 AND code <> $2 AND closed_at IS NULL"];
    END_ALERTS = [
        "UPDATE alerts SET incoming = FALSE, closed_at = CASE WHEN NOT outgoing THEN $3 ELSE closed_at END WHERE subject = $1 AND code \
         <> $2 AND closed_at IS NULL AND incoming"];
    END_ALERTS_OUTGOING = [
        "UPDATE alerts SET outgoing = FALSE, closed_at = CASE WHEN NOT incoming THEN $3 ELSE closed_at END WHERE subject = $1 AND code \
         <> $2 AND closed_at IS NULL AND outgoing"];
    SET_SEVERITY = [
        "UPDATE alert_severities SET is_raised = $2 WHERE severity = $1 AND is_raised <> $2"];
}
