//! Every state with what is said of it.

use super::*;

pub(super) type Case = (fn(&mut World), &'static str, &'static str);

/// What happened | what is said of reading | what is said of sending.
pub(super) const CASES: &[Case] = &[
    (
        |_| {},
        "Ok | all is well: read completely at 2025-12-31T23:59:00Z | - | 2026-01-01T00:04:00Z: it is read again | -",
        "Ok | all is well: sent last at 2025-12-31T23:59:00Z | - | whatever is queued is sent at once | -",
    ),
    (
        |world| world.mailbox.active = false,
        "Inactive | the mailbox is inactive: it was removed, or no file declares it any more | - | nothing | declare it \
         again, or add it: mailsyncd mailbox add",
        "Inactive | the mailbox is inactive: it was removed, or no file declares it any more | - | nothing | declare it \
         again, or add it: mailsyncd mailbox add",
    ),
    (
        |world| world.profile = None,
        "NoProfile | it has no server profile | - | nothing | give the mailbox a profile that is active",
        "NoProfile | it has no server profile | - | nothing | give the mailbox a profile that is active",
    ),
    (
        |world| world.profile.as_mut().unwrap().active = false,
        "NoProfile | its profile contoso is inactive | - | nothing | give the mailbox a profile that is active",
        "NoProfile | its profile contoso is inactive | - | nothing | give the mailbox a profile that is active",
    ),
    (
        |world| {
            world.mailbox.incoming_method = SyncMethod::None;
            world.mailbox.outgoing_method = SyncMethod::None;
        },
        "Off | its incoming method is none | - | nothing | to have it read: mailsyncd mailbox set ada@contoso.example --incoming \
         server_side_sync",
        "Off | its outgoing method is none | - | nothing | to have it send: mailsyncd mailbox set ada@contoso.example --outgoing \
         server_side_sync",
    ),
    (
        |world| world.profile.as_mut().unwrap().outgoing = None,
        "Ok | all is well: read completely at 2025-12-31T23:59:00Z | - | 2026-01-01T00:04:00Z: it is read again | -",
        "NoServer | its profile contoso has no server to hand mail to | - | nothing | mailsyncd profile set contoso \
         --outgoing-host smtp.example.com",
    ),
    (
        |world| {
            let place = Some("config:/etc/mailsyncd/mailsyncd.toml:3".to_owned());
            world.mailbox.managed_by = place.clone();
            world.profile.as_mut().unwrap().managed_by = place;
            world.profile.as_mut().unwrap().outgoing = None;
            world.mailbox.incoming_method = SyncMethod::None;
        },
        "Off | its incoming method is none | - | nothing | to have it read: incoming = \"server_side_sync\"",
        "NoServer | its profile contoso has no server to hand mail to | - | nothing | give the profile outgoing = { host \
         = \"smtp.example.com\" }",
    ),
    (
        |world| world.mailbox.approval = Approval::Pending,
        "PendingApproval | nobody has approved the mailbox yet | - | nothing | mailsyncd mailbox approve \
         ada@contoso.example",
        "PendingApproval | nobody has approved the mailbox yet | - | nothing | mailsyncd mailbox approve \
         ada@contoso.example",
    ),
    (
        |world| world.mailbox.approval = Approval::Rejected,
        "Rejected | an administrator rejected the mailbox | - | nothing | mailsyncd mailbox approve ada@contoso.example",
        "Rejected | an administrator rejected the mailbox | - | nothing | mailsyncd mailbox approve ada@contoso.example",
    ),
    (
        |world| world.both(|state| state.enabled = false),
        "NotEnabled | reading is not enabled: it was never tested | - | nothing | mailsyncd \
         mailbox test-enable ada@contoso.example",
        "NotEnabled | sending is not enabled: it was never tested | - | nothing | mailsyncd \
         mailbox test-enable ada@contoso.example",
    ),
    (
        |world| world.tested(0, Some(0)),
        "TestUnderWay | cli:root asked for a test at 2025-12-31T23:59:00Z | - | it is tested, and enabled where that \
         succeeds | -",
        "TestUnderWay | cli:root asked for a test at 2025-12-31T23:59:00Z | - | it is tested, and enabled where that \
         succeeds | -",
    ),
    (
        |world| {
            world.tested(0, Some(0));
            world.daemon = DaemonState::Absent;
        },
        "TestUnderWay | cli:root asked for a test at 2025-12-31T23:59:00Z | - | as soon as a daemon runs, it is tested, and \
         enabled where that succeeds | systemctl start mailsyncd",
        "TestUnderWay | cli:root asked for a test at 2025-12-31T23:59:00Z | - | as soon as a daemon runs, it is tested, and \
         enabled where that succeeds | systemctl start mailsyncd",
    ),
    (
        |world| {
            world.tested(0, None);
            world.test.as_mut().unwrap().refused = Some("it was disabled meanwhile".to_owned());
        },
        "NotEnabled | reading is not enabled: the test that cli:root asked for at 2025-12-31T23:59:00Z was not run: it was \
         disabled meanwhile | - | nothing | mailsyncd mailbox test-enable ada@contoso.example",
        "NotEnabled | sending is not enabled: the test that cli:root asked for at 2025-12-31T23:59:00Z was not run: it was \
         disabled meanwhile | - | nothing | mailsyncd mailbox test-enable ada@contoso.example",
    ),
    // Its daemon died over it.
    (
        |world| world.tested(1, Some(-90)),
        "TestUnderWay | the test that cli:root asked for at 2025-12-31T23:59:00Z was begun once, and is begun again | \
         auth-rejected x1 NO [AUTHENTICATIONFAILED] | it is tested, and enabled where that succeeds | -",
        "TestUnderWay | the test that cli:root asked for at 2025-12-31T23:59:00Z was begun once, and is begun again | - | \
         it is tested, and enabled where that succeeds | -",
    ),
    (
        |world| world.tested(2, Some(90)),
        "TestUnderWay | the test that cli:root asked for at 2025-12-31T23:59:00Z failed 2 times, and is tried again | \
         auth-rejected x2 NO [AUTHENTICATIONFAILED] | 2026-01-01T00:01:30Z: it is tested, and enabled where that succeeds \
         | -",
        "TestUnderWay | the test that cli:root asked for at 2025-12-31T23:59:00Z failed 2 times, and is tried again | - | \
         2026-01-01T00:01:30Z: it is tested, and enabled where that succeeds | -",
    ),
    (
        |world| {
            world.tested(1, None);
            world.mailbox.incoming.test_status = TestStatus::Failure;
            world.mailbox.outgoing.test_status = TestStatus::Success;
        },
        "TestFailed | its last test failed, at the stage log-in | auth-rejected x1 NO [AUTHENTICATIONFAILED] | nothing is \
         tried until a test succeeds | update the mailbox's password (some providers want an application password); then: \
         mailsyncd mailbox test-enable ada@contoso.example",
        "NotEnabled | sending is not enabled: somebody disabled it | - | nothing | mailsyncd mailbox test-enable \
         ada@contoso.example",
    ),
    (
        |world| {
            let attacked = ProfileHold { until: Timestamp::FAR_FUTURE, code: FailureCode::SecurityDowngrade, ..hold() };
            world.incoming_hold = Some(attacked);
            world.postponed(FailureCode::AuthUnclear, 0, 4);
        },
        "Held | the server of profile contoso fails: all its mailboxes wait | security-downgrade x4 connection refused | \
         nothing is tried before somebody dismisses the profile's alert, or changes its server | somebody may be interfering \
         with the connection; nothing was sent; check the server's STARTTLS; once that is clear: mailsyncd alert list \
         --profile contoso, then: mailsyncd alert dismiss ID",
        "Confirming | the server refused: failed 4 times in a row since 2025-12-31T23:00:00Z, to be confirmed | \
         auth-unclear x4 the server's words | 2026-01-01T00:10:00Z: it is tried again: confirmation 4 of 5; when all fail \
         it is disabled | check the mailbox's user name and password (some providers want an application password)",
    ),
    (
        |world| {
            world.postponed(FailureCode::AuthExpired, 0, 1);
            world.both(|state| state.enabled = false);
        },
        "Disabled | reading failed once since 2025-12-31T23:00:00Z and was disabled | auth-expired x1 the server's words \
         | nothing is tried until a test succeeds | set a new password at the provider and store it here; \
         then: mailsyncd mailbox test-enable ada@contoso.example",
        "Disabled | sending failed once since 2025-12-31T23:00:00Z and was disabled | auth-expired x1 the server's words \
         | nothing is tried until a test succeeds | set a new password at the provider and store it here; \
         then: mailsyncd mailbox test-enable ada@contoso.example",
    ),
    (
        |world| world.postponed(FailureCode::Timeout, 4, 0),
        "Postponed | reading failed 4 times in a row since 2025-12-31T23:00:00Z | timeout x4 the server's words | \
         2026-01-01T00:10:00Z: it is tried again; 10 failures in a row and 24h without a success disable it (4 so far) | \
         nothing to do: tried again later; where it never greets, set security = \"tls\" if the port is one for that; \
         where it is slow, raise connection_timeout",
        "Postponed | sending failed 4 times in a row since 2025-12-31T23:00:00Z | timeout x4 the server's words | \
         2026-01-01T00:10:00Z: it is tried again; 10 failures in a row and 24h without a success disable it (4 so far) | \
         nothing to do: tried again later; where it never greets, set security = \"tls\" if the port is one for that; \
         where it is slow, raise connection_timeout",
    ),
    (
        |world| world.postponed(FailureCode::AuthRejected, 0, 2),
        "Confirming | the server refused: failed 2 times in a row since 2025-12-31T23:00:00Z, to be confirmed | \
         auth-rejected x2 the server's words | 2026-01-01T00:10:00Z: it is tried again: confirmation 2 of 3; when all \
         fail it is disabled | update the mailbox's password (some providers want an application password)",
        "Confirming | the server refused: failed 2 times in a row since 2025-12-31T23:00:00Z, to be confirmed | \
         auth-rejected x2 the server's words | 2026-01-01T00:10:00Z: it is tried again: confirmation 2 of 3; when all \
         fail it is disabled | update the mailbox's password (some providers want an application password)",
    ),
    (
        |world| world.postponed(FailureCode::ServerThrottled, 0, 0),
        "Throttled | the server asked to wait (failed once since 2025-12-31T23:00:00Z) | server-throttled x1 the \
         server's words | 2026-01-01T00:10:00Z: it is tried again; waiting for a server disables nothing | nothing to do: \
         tried again when the server allows",
        "Throttled | the server asked to wait (failed once since 2025-12-31T23:00:00Z) | server-throttled x1 the \
         server's words | 2026-01-01T00:10:00Z: it is tried again; waiting for a server disables nothing | nothing to do: \
         tried again when the server allows",
    ),
    (
        |world| world.incoming_hold = Some(hold()),
        "Held | the server of profile contoso fails: all its mailboxes wait | host-unreachable x4 connection refused | \
         2026-01-01T00:02:00Z: one mailbox of the server tries again; where that succeeds, all go on | check that the \
         server runs and that host, port and firewall are right",
        "Ok | all is well: sent last at 2025-12-31T23:59:00Z | - | whatever is queued is sent at once | -",
    ),
    (
        |world| world.outgoing_hold = Some(hold()),
        "Ok | all is well: read completely at 2025-12-31T23:59:00Z | - | 2026-01-01T00:04:00Z: it is read again | -",
        "Held | the server of profile contoso fails: all its mailboxes wait | host-unreachable x4 connection refused | \
         2026-01-01T00:02:00Z: one mailbox of the server tries again; where that succeeds, all go on | check that the \
         server runs and that host, port and firewall are right",
    ),
    (
        |world| {
            let text = "no space left on device".to_owned();
            world.daemon = DaemonState::Paused(Pause { since: at(-30), code: FailureCode::DiskFull, text });
        },
        "Paused | the daemon is in trouble of its own and starts nothing | disk-full x1 no space left on device | the \
         daemon looks every few seconds, and goes on by itself | free disk space: synchronization goes on by itself, \
         nothing is lost",
        "Paused | the daemon is in trouble of its own and starts nothing | disk-full x1 no space left on device | the \
         daemon looks every few seconds, and goes on by itself | free disk space: synchronization goes on by itself, \
         nothing is lost",
    ),
    (
        |world| {
            world.incoming_hold = Some(hold());
            let text = "all at once: a host-unreachable, b host-unreachable, c host-unreachable".to_owned();
            world.daemon = DaemonState::Strained(Pause { since: at(-30), code: FailureCode::NetworkDown, text });
        },
        "Held | the server of profile contoso fails, and so do others: it is the daemon's machine | network-down x1 all \
         at once: a host-unreachable, b host-unreachable, c host-unreachable | 2026-01-01T00:02:00Z: one mailbox of the \
         server tries again; where that succeeds, all go on | check the machine's network; synchronization goes on by \
         itself",
        "Ok | all is well: sent last at 2025-12-31T23:59:00Z | - | whatever is queued is sent at once | -",
    ),
    (
        |world| {
            let text = "Out of file descriptors or ports.".to_owned();
            world.daemon = DaemonState::Strained(Pause { since: at(-30), code: FailureCode::ResourcesExhausted, text });
            world.mailbox.incoming.next_due_at = Some(at(-301));
        },
        "Late | it is due since 2025-12-31T23:54:59Z, and the daemon's machine gives too little for all | \
         resources-exhausted x1 Out of file descriptors or ports. | it begins as soon as the limits leave room | raise \
         LimitNOFILE or lower limits.connections",
        "Ok | all is well: sent last at 2025-12-31T23:59:00Z | - | whatever is queued is sent at once | -",
    ),
    (
        |world| world.daemon = DaemonState::Absent,
        "NotRunning | no daemon runs | - | as soon as a daemon runs, it waits for its time | systemctl start mailsyncd",
        "NotRunning | no daemon runs | - | as soon as a daemon runs, its outbox is looked into | systemctl start \
         mailsyncd",
    ),
    (
        |world| {
            world.daemon = DaemonState::Silent { since: at(-500) };
            world.mailbox.incoming.next_due_at = Some(at(-1));
            world.queued(-400);
        },
        "NotRunning | no daemon has been heard of since 2025-12-31T23:51:40Z: it died, or the database takes no writes | \
         - | as soon as a daemon runs, it is due at once | look: systemctl status mailsyncd; journalctl -u mailsyncd; df \
         -h",
        "NotRunning | no daemon has been heard of since 2025-12-31T23:51:40Z: it died, or the database takes no writes | \
         - | as soon as a daemon runs, it is due at once | look: systemctl status mailsyncd; journalctl -u mailsyncd; df \
         -h",
    ),
    (
        |world| {
            world.daemon = DaemonState::Died { since: at(-5) };
            world.mailbox.incoming.next_due_at = Some(at(-1));
            (world.around.reading, world.around.sending) = (lease(30, Some(-5)), None);
        },
        "NotRunning | no daemon runs: it died, and was last heard of at 2025-12-31T23:59:55Z | - | as soon as a daemon \
         runs, it is due at once | look: systemctl status mailsyncd; journalctl -u mailsyncd; df -h",
        "NotRunning | no daemon runs: it died, and was last heard of at 2025-12-31T23:59:55Z | - | as soon as a daemon \
         runs, its outbox is looked into | look: systemctl status mailsyncd; journalctl -u mailsyncd; df -h",
    ),
    (
        |world| (world.around.reading, world.around.sending) = (lease(30, Some(-30)), lease(20, None)),
        "Abandoned | the daemon that took it has not been heard of since 2025-12-31T23:59:30Z | - | \
         2026-01-01T00:00:30Z: another daemon takes it over | -",
        "Abandoned | the daemon that took it is not heard of any more | - | 2026-01-01T00:00:20Z: another daemon takes it \
         over | -",
    ),
    (
        |world| (world.around.reading, world.around.sending) = (lease(30, Some(-29)), lease(30, Some(0))),
        "Running | it is being read at this moment | - | when it is through, the next time is set | -",
        "Running | it is sending at this moment | - | when it is through, the next time is set | -",
    ),
    (
        |world| {
            world.mailbox.incoming.next_due_at = Some(at(-10));
            // A lease that ran out holds nobody back.
            world.around.reading = lease(0, Some(0));
            world.queued(-10);
        },
        "Due | it is due | - | it begins as soon as the limits leave room | -",
        "Due | it is due | - | it begins as soon as the limits leave room | -",
    ),
    (
        |world| {
            world.mailbox.incoming = WorkloadState { enabled: true, ..WorkloadState::default() };
            world.queued(90);
        },
        "Due | it has never been read yet | - | it begins as soon as the limits leave room | -",
        "Ok | all is well: sent last at 2025-12-31T23:59:00Z | - | 2026-01-01T00:01:30Z: what waits in its outbox is sent \
         | -",
    ),
    (
        |world| {
            world.mailbox.incoming.next_due_at = Some(at(-301));
            world.queued(-301);
        },
        "Late | it is due since 2025-12-31T23:54:59Z, and others are before it | - | it begins as \
         soon as the limits leave room | raise limits.connections or the profile's maximum_concurrent_connections, or \
         poll less often",
        "Late | it is due since 2025-12-31T23:54:59Z, and others are before it | - | it begins as \
         soon as the limits leave room | raise limits.connections or the profile's maximum_concurrent_connections, or \
         poll less often",
    ),
    (
        |world| {
            world.postponed(FailureCode::ServerClosed, 1, 0);
            world.both(|state| (state.postponed_until, state.next_due_at) = (Some(at(-1)), Some(at(-1))));
            world.queued(-1);
        },
        "Due | reading failed once since 2025-12-31T23:00:00Z, and it is due again | server-closed x1 the server's words \
         | it begins as soon as the limits leave room | nothing to do: tried again later",
        "Due | sending failed once since 2025-12-31T23:00:00Z, and it is due again | server-closed x1 the server's words \
         | it begins as soon as the limits leave room | nothing to do: tried again later",
    ),
    (
        |world| {
            world.daemon = DaemonState::Absent;
            world.incoming_hold = Some(hold());
            world.mailbox.outgoing.failure_code = Some(FailureCode::AuthExpired);
            world.mailbox.outgoing.failing_since = Some(at(-60));
        },
        "NotRunning | no daemon runs; the server of profile contoso fails: all its mailboxes wait | host-unreachable x4 \
         connection refused | as soon as a daemon runs, one mailbox of the server tries again | systemctl start mailsyncd; check that the server runs and that host, port and firewall are right",
        "NotRunning | no daemon runs; sending failed once since 2025-12-31T23:59:00Z | auth-expired x1 - | as soon as a \
         daemon runs, its outbox is looked into | systemctl start mailsyncd; set a new password at the provider and store it here",
    ),
    (
        |world| {
            world.locked = Some(at(-60));
            world.mailbox.incoming.failure_code = Some(FailureCode::CredentialsLocked);
            world.mailbox.incoming.postponed_until = Some(at(60));
        },
        "Locked | its stored password is locked since 2025-12-31T23:59:00Z: it was entered for another server | \
         credentials-locked x1 - | nothing is tried with it; once it is entered again, all is | if the new server may have \
         the password: mailsyncd secret set ada@contoso.example",
        "Locked | its stored password is locked since 2025-12-31T23:59:00Z: it was entered for another server | \
         credentials-locked x1 - | nothing is tried with it; once it is entered again, all is | if the new server may have \
         the password: mailsyncd secret set ada@contoso.example",
    ),
    (
        |world| {
            world.both(|state| {
                state.failure_code = Some(FailureCode::HostUnreachable);
                state.last_error = Some("connection refused".to_owned());
            });
            world.mailbox.incoming.next_due_at = Some(at(-20));
            world.queued(-20);
        },
        "Due | the last try failed, for its server and not for the mailbox | host-unreachable x1 connection refused | it is \
         tried again within a minute; where its server stays away, all its mailboxes wait | check that the server runs and that host, port and firewall are right",
        "Due | the last try failed, for its server and not for the mailbox | host-unreachable x1 connection refused | it is \
         tried again within a minute; where its server stays away, all its mailboxes wait | check that the server runs and that host, port and firewall are right",
    ),
    (
        |world| {
            world.queued(0);
            let mail = world.around.outbox.remove(0);
            let (doubt, refused) = (Some(FailureCode::DeliveryInDoubt), Some(FailureCode::MailRefused));
            world.around.outbox = vec![
                WaitingMail { status: ActivityStatus::Held, code: doubt, mails: 1, ..mail.clone() },
                WaitingMail { status: ActivityStatus::Failed, code: refused, mails: 2, ..mail },
            ];
        },
        "Ok | all is well: read completely at 2025-12-31T23:59:00Z | - | 2026-01-01T00:04:00Z: it is read again | -",
        "Ok | sent last at 2025-12-31T23:59:00Z; 1 held for a person (delivery-in-doubt); 2 not sent within a day \
         (mail-refused) | - | whatever is queued is sent at once | look, then retry or cancel: mailsyncd activity list --mailbox \
         ada@contoso.example --status held",
    ),
];
