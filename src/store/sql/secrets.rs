//! Secrets, and where passwords come from.

use super::Sql;

statements! {
    // Entered again, it is not locked any more.
    PUT_SECRET = [
        "INSERT INTO secrets (owner_kind, owner, key_id, data_key, ciphertext, updated_at) VALUES ($1, \
         $2, $3, $4, $5, $6) ON CONFLICT (owner_kind, owner) DO UPDATE SET key_id = excluded.key_id, \
         data_key = excluded.data_key, ciphertext = excluded.ciphertext, updated_at = excluded.updated_at, \
         locked_at = NULL"];
    SECRET = [
        "SELECT key_id, data_key, ciphertext, locked_at FROM secrets WHERE owner_kind = $1 AND owner = $2"];
    SECRET_KEY = [
        "SELECT key_id, locked_at FROM secrets WHERE owner_kind = $1 AND owner = $2"];
    SECRETS = [
        "SELECT owner_kind, owner, locked_at FROM secrets ORDER BY owner_kind, owner"];
    SECRETS_UNDER_OTHERS = [
        "SELECT owner_kind, owner, key_id, data_key, ciphertext FROM secrets WHERE key_id <> $1 AND (owner_kind > $2 OR \
         (owner_kind = $2 AND owner > $3)) ORDER BY owner_kind, owner LIMIT $4"];
    RESEAL_SECRET = [
        "UPDATE secrets SET key_id = $5, data_key = $6, ciphertext = $7, updated_at = $8 WHERE owner_kind = $1 AND \
         owner = $2 AND key_id = $3 AND data_key = $4"];
    SECRETS_BY_KEY = [
        "SELECT key_id, count(*) FROM secrets GROUP BY key_id ORDER BY key_id"];
    // Of a profile and its mailboxes.
    LOCK_SECRETS = [
        "UPDATE secrets SET locked_at = $2 WHERE locked_at IS NULL AND (owner_kind = 'profile' AND owner = $1 OR \
         owner_kind = 'mailbox' AND owner IN (SELECT id FROM mailboxes WHERE server_profile = $1)) RETURNING \
         owner, key_id"];
    // Of one mailbox.
    LOCK_SECRET = [
        "UPDATE secrets SET locked_at = $2 WHERE locked_at IS NULL AND owner_kind = 'mailbox' AND owner = $1 \
         RETURNING owner, key_id"];
    // Those that are wanted: by a profile that logs in itself, or by active mailboxes that do.
    LOCKED_OF_PROFILE = [
        "SELECT count(*) FROM secrets s JOIN server_profiles p ON p.id = $1 LEFT JOIN mailboxes m ON m.id = s.owner \
         WHERE s.locked_at IS NOT NULL AND CASE p.authenticate_using WHEN 'profile' THEN s.owner_kind = 'profile' \
         AND s.owner = p.id AND p.credential_source = 'stored' ELSE s.owner_kind = 'mailbox' AND m.server_profile \
         = p.id AND m.state = 'active' AND m.credential_source = 'stored' END"];
    // What was waited for may be there: who was not let in is tried at once.
    PROBE_AT_ONCE = [
        "UPDATE server_profiles SET hold_until = CASE WHEN hold_until > $2 AND (hold_code LIKE 'auth-%' OR hold_code \
         LIKE 'credentials-%') THEN $2 ELSE hold_until END, outgoing_hold_until = CASE WHEN outgoing_hold_until > $2 \
         AND (outgoing_hold_code LIKE 'auth-%' OR outgoing_hold_code LIKE 'credentials-%') THEN $2 ELSE \
         outgoing_hold_until END WHERE id = $1"];
    PROFILE_OF_MAILBOX = [
        "SELECT server_profile FROM mailboxes WHERE id = $1"];
    MAILBOX_CREDENTIALS = [
        "SELECT credential_source, credential_name FROM mailboxes WHERE id = $1"];
    PROFILE_CREDENTIALS = [
        "SELECT credential_source, credential_name FROM server_profiles WHERE id = $1"];
}
