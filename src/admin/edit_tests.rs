use super::*;
use crate::{
    admin::{
        changes::plan_declared,
        fixtures::{NOW, apply, config},
        selection::Selection,
    },
    model::{
        failure::FailureCode,
        mailbox::{Approval, SyncMethod, TestStatus, Workload},
        record::RecordChange,
    },
};

const PLAIN: &str = "[email_settings]\nincoming = \"server_side_sync\"\n";

struct World {
    config: Config,
    records: Records,
}

impl World {
    fn new(text: &str) -> Self {
        let mut world = Self { config: config(text), records: Records::default() };
        let plan = plan_declared(&world.config, &world.records, NOW).unwrap();
        world.apply(plan.into_iter().map(|planned| planned.change));
        world
    }

    /// With a profile, and the queue Support with its mailbox, all made by command.
    fn made() -> Self {
        let mut world = Self::new(PLAIN);
        let given = [("incoming_host", "imap.contoso.example"), ("default", "true")];
        world.does(|desk| desk.add_profile("contoso", &given));
        let given = [("email_address", "support@contoso.example")];
        world.does(|desk| desk.add_owner(MailboxKind::Queue, "Support", &given, true));
        world
    }

    fn decide<P: Into<Plan>>(&self, decide: impl FnOnce(&Desk<'_>) -> Result<P, AdminError>) -> Result<Plan, String> {
        let plan = decide(&Desk::new(&self.records, &self.config, NOW)).map(Into::into);
        plan.map_err(|error| {
            let hint = error.hint().map(|hint| format!(" | {hint}")).unwrap_or_default();
            format!("{error}{hint}").replace("\n    hint: ", " | ")
        })
    }

    /// Does it, and says what was done.
    fn does<P: Into<Plan>>(&mut self, decide: impl FnOnce(&Desk<'_>) -> Result<P, AdminError>) -> Vec<String> {
        let plan = self.decide(decide).unwrap();
        let lines = plan.changes.iter().map(ToString::to_string).chain(plan.notes).collect();
        self.apply(plan.changes.into_iter().map(|planned| planned.change));
        lines
    }

    fn refuses<P: Into<Plan>>(&self, decide: impl FnOnce(&Desk<'_>) -> Result<P, AdminError>) -> String {
        match self.decide(decide) {
            Err(wrong) => wrong,
            Ok(plan) => panic!("not refused: {plan:?}"),
        }
    }

    /// What the store does.
    fn apply(&mut self, changes: impl Iterator<Item = RecordChange>) {
        changes.for_each(|change| apply(&mut self.records, change));
    }

    fn mailbox(&mut self, address: &str) -> &mut Mailbox {
        &mut self.records.mailboxes.iter_mut().find(|(mailbox, _)| mailbox.email_address == address).unwrap().0
    }
}

fn of(address: &str) -> Selection {
    Selection::Addresses(vec![address.to_owned()])
}

#[test]
fn an_owner_gets_its_mailbox_with_the_defaults() {
    let mut world = World::made();
    let mailbox = world.mailbox("support@contoso.example").clone();
    assert_eq!((mailbox.name.as_str(), mailbox.kind), ("Support", MailboxKind::Queue));
    assert_eq!(
        (mailbox.profile, mailbox.owner),
        (Some(world.records.profiles[0].0.id), Some(world.records.owners[0].id))
    );
    assert_eq!((mailbox.incoming_method, mailbox.outgoing_method), (SyncMethod::ServerSideSync, SyncMethod::None));
    assert_eq!((mailbox.approval, mailbox.incoming.enabled, mailbox.managed_by), (Approval::Pending, false, None));
    let given = [("email_address", "ada@contoso.example"), ("external_id", "7")];
    let lines = world.does(|desk| desk.add_owner(MailboxKind::User, "Ada", &given, false));
    assert_eq!(lines, ["user Ada: new, ada@contoso.example"]);
    assert_eq!(world.records.mailboxes.len(), 1);
    let wrong = world.refuses(|desk| {
        desk.add_owner(MailboxKind::User, "Eve", &[("email_address", "Support@contoso.example")], true)
    });
    assert!(wrong.starts_with("there is a mailbox Support@contoso.example already, of queue:Support"), "{wrong}");
    let wrong = world.refuses(|desk| desk.add_owner(MailboxKind::Queue, "Support", &given, true));
    assert_eq!(wrong, "there is a queue Support already | change it with: mailsyncd queue set \"Support\"");
    let wrong = world.refuses(|desk| desk.add_owner(MailboxKind::Queue, "New", &[("email_address", "new")], true));
    assert_eq!(wrong, "--email-address: \"new\" is not an e-mail address");
}

#[test]
fn a_new_address_goes_to_the_owner_and_must_be_approved_again() {
    let mut world = World::made();
    world.mailbox("support@contoso.example").approval = Approval::Approved;
    let given = [("email_address", "help@contoso.example")];
    let lines = world.does(|desk| desk.set_mailboxes(&of("support@contoso.example"), &given));
    assert_eq!(
        lines,
        [
            "queue Support: email_address support@contoso.example -> help@contoso.example",
            "mailbox support@contoso.example: email_address support@contoso.example -> help@contoso.example; \
             username support@contoso.example -> help@contoso.example; approval approved -> waiting for approval",
        ]
    );
    assert_eq!(world.records.owners[0].email_address, "help@contoso.example");
    world.mailbox("help@contoso.example").approval = Approval::Approved;
    let given = [("email_address", "support@contoso.example")];
    world.does(|desk| desk.set_owner(MailboxKind::Queue, "Support", &given));
    assert_eq!(world.mailbox("support@contoso.example").approval, Approval::Pending);
    // A name that is given with it stays.
    let given = [("email_address", "help@contoso.example"), ("name", "Help")];
    let lines = world.does(|desk| desk.set_owner(MailboxKind::Queue, "Support", &given));
    assert_eq!(lines.len(), 2, "{lines:?}");
    let owner = &world.records.owners[0];
    assert_eq!((owner.name.as_str(), owner.email_address.as_str()), ("Help", "help@contoso.example"));
    let given = [("email_address", "support@contoso.example"), ("name", "Support")];
    world.does(|desk| desk.set_owner(MailboxKind::Queue, "Help", &given));
    // Anything else leaves the approval as it is.
    world.mailbox("support@contoso.example").approval = Approval::Approved;
    let given = [("delete_after_processing", "true")];
    let lines = world.does(|desk| desk.set_mailboxes(&Selection::All, &given));
    assert_eq!(lines, ["mailbox support@contoso.example: delete_after_processing false -> true"]);
    assert_eq!(world.mailbox("support@contoso.example").approval, Approval::Approved);
    assert!(world.does(|desk| desk.set_mailboxes(&Selection::All, &given)).is_empty());
}

#[test]
fn the_rules_of_mailboxes_are_those_of_the_files() {
    let mut world = World::made();
    let given = [("email_address", "ada@contoso.example")];
    world.does(|desk| desk.add_owner(MailboxKind::User, "Ada", &given, true));
    world.does(|desk| desk.add_mailbox("all@contoso.example", &[("kind", "forward")]));
    let wrong = world.refuses(|desk| desk.set_mailboxes(&Selection::All, &[("delete_after_processing", "true")]));
    assert_eq!(
        wrong,
        "--delete-after-processing: is for queues and forward mailboxes only | people keep their mail on the server; leave it out"
            .replace("--delete", "mailbox ada@contoso.example: --delete")
    );
    let wrong = world.refuses(|desk| desk.set_mailboxes(&Selection::All, &[("outgoing", "server_side_sync")]));
    assert!(wrong.starts_with("there are 3 problems, nothing was done\n"), "{wrong}");
    assert!(
        wrong.contains("mailbox all@contoso.example: --outgoing: a forward mailbox sends nothing | leave it out"),
        "{wrong}"
    );
    let no_server = "mailbox ada@contoso.example: profile contoso has no outgoing server | give --outgoing-host \
                     smtp.example.com in the profile, or say --outgoing none";
    assert!(wrong.contains(no_server), "{wrong}");
    let wrong = world.refuses(|desk| desk.add_mailbox("x@contoso.example", &[("owner", "queue:Suport")]));
    assert_eq!(wrong, "there is no queue \"Suport\" | did you mean \"Support\"?");
    let wrong = world.refuses(|desk| desk.add_mailbox("x@contoso.example", &[("owner", "queue:Support")]));
    assert!(wrong.starts_with("--owner has the mailbox support@contoso.example already"), "{wrong}");
    let wrong = world.refuses(|desk| desk.set_mailboxes(&Selection::All, &[("username", "x")]));
    assert_eq!(wrong, "--username is of one mailbox, not of 3 | name one ADDRESS");
    let taken = [("email_address", "ADA@contoso.example")];
    let wrong = world.refuses(|desk| desk.set_mailboxes(&of("all@contoso.example"), &taken));
    assert_eq!(wrong, "there is, or was, a mailbox ada@contoso.example already | give another --email-address");
}

#[test]
fn mailboxes_move_between_profiles_together() {
    let mut world = World::made();
    let given = [("incoming_host", "pop.fabrikam.example"), ("server_type", "pop3_smtp")];
    world.does(|desk| desk.add_profile("fabrikam", &given));
    let which = Selection::Profile("contoso".to_owned());
    let lines = world.does(|desk| desk.set_mailboxes(&which, &[("profile", "fabrikam")]));
    assert_eq!(lines, ["mailbox support@contoso.example: profile contoso -> fabrikam"]);
    let wrong = world.refuses(|desk| desk.set_mailboxes(&Selection::All, &[("profile", "fabricam")]));
    assert_eq!(wrong, "there is no profile \"fabricam\" | did you mean \"fabrikam\"?");
    let wrong = world.refuses(|desk| desk.set_profile("fabrikam", &[("server_type", "imap_smtp")]));
    assert_eq!(
        wrong,
        "profile fabrikam cannot become imap_smtp: it is pop3_smtp | make a new profile under another name and move \
         the mailboxes to it"
    );
    assert_eq!(world.does(|desk| desk.remove_profile("contoso")), ["profile contoso: removed"]);
    let wrong = world.refuses(|desk| desk.remove_profile("fabrikam"));
    assert!(wrong.starts_with("profile fabrikam is used by support@contoso.example | move them"), "{wrong}");
    let wrong = world.refuses(|desk| desk.set_profile("contoso", &[("description", "x")]));
    assert_eq!(wrong, "profile contoso was removed | it comes back with: mailsyncd profile add");
}

#[test]
fn a_profile_is_changed_with_its_mailboxes_in_mind() {
    let mut world = World::made();
    let sends = [("outgoing_host", "smtp.contoso.example"), ("minimum_polling_interval", "2m")];
    let lines = world.does(|desk| desk.set_profile("contoso", &sends));
    assert!(lines[0].starts_with("profile contoso: outgoing none -> smtp.contoso.example:465 (tls); "), "{lines:?}");
    assert!(lines[0].contains("minimum_polling_interval 5m -> 2m"), "{lines:?}");
    world
        .does(|desk| desk.set_mailboxes(&Selection::All, &[("outgoing", "server_side_sync"), ("password_file", "/p")]));
    let wrong = world.refuses(|desk| {
        let own = [("outgoing_host", ""), ("authenticate_using", "profile"), ("username", "u"), ("incoming_port", "9")];
        desk.set_profile("contoso", &own)
    });
    let expected = [
        "profile contoso: port 9 is not allowed | add 9 to network.allowed_ports",
        "mailbox support@contoso.example: its password is not used: profile contoso logs in with its own | leave it \
         out, or set --authenticate-using mailbox on the profile",
        "mailbox support@contoso.example: profile contoso has no outgoing server | give --outgoing-host \
         smtp.example.com in the profile, or say --outgoing none",
    ];
    assert_eq!(wrong, format!("there are 3 problems, nothing was done\n  {}", expected.join("\n  ")));
    let wrong = world.refuses(|desk| desk.add_profile("contoso", &[("incoming_host", "x.example")]));
    assert_eq!(wrong, "there is a profile contoso already | change it with: mailsyncd profile set contoso");
}

#[test]
fn there_is_one_default_profile() {
    let mut world = World::made();
    let given = [("incoming_host", "imap.fabrikam.example"), ("default", "true")];
    let lines = world.does(|desk| desk.add_profile("fabrikam", &given));
    assert_eq!(
        lines,
        ["profile contoso: default true -> false", "profile fabrikam: new, imap.fabrikam.example:993 (tls)"]
    );
    let defaults = world.records.profiles.iter().filter(|(profile, _)| profile.is_default);
    assert_eq!(defaults.map(|(profile, _)| profile.name.as_str()).collect::<Vec<_>>(), ["fabrikam"]);
    // A file that names one wins.
    let text =
        "[email_settings]\ndefault_profile = \"f\"\n[[profile]]\nname = \"f\"\nincoming = { host = \"f.example\" }\n";
    world.config = config(text);
    let plan = plan_declared(&world.config, &world.records, NOW).unwrap();
    let lines: Vec<String> = plan.iter().map(ToString::to_string).collect();
    assert_eq!(lines, ["profile f: new, f.example:993 (tls)", "profile fabrikam: default true -> false"]);
    world.apply(plan.into_iter().map(|planned| planned.change));
    let wrong = world.refuses(|desk| desk.set_profile("fabrikam", &[("default", "true")]));
    assert_eq!(
        wrong,
        "--default: the configuration says email_settings.default_profile = \"f\" | change it there, or take it out there"
    );
}

#[test]
fn what_was_removed_comes_back_disabled_and_to_be_approved() {
    let mut world = World::made();
    let address = "support@contoso.example";
    let id = world.mailbox(address).id;
    world.mailbox(address).approval = Approval::Approved;
    world.mailbox(address).incoming.enabled = true;
    let wrong = world.refuses(|desk| desk.remove_owner(MailboxKind::Queue, "Support"));
    assert_eq!(
        wrong,
        "queue Support has the mailbox support@contoso.example | remove it first: mailsyncd mailbox remove support@contoso.example"
    );
    world.does(|desk| desk.remove_mailboxes(&of(address)));
    world.does(|desk| desk.remove_owner(MailboxKind::Queue, "Support"));
    let lines = world.does(|desk| desk.add_owner(MailboxKind::Queue, "Support", &[("email_address", address)], true));
    assert_eq!(
        lines,
        [
            "queue Support: comes back, support@contoso.example",
            "mailbox support@contoso.example: comes back, new, waiting for approval, not enabled",
            "mailbox support@contoso.example: disabled",
        ]
    );
    let mailbox = world.mailbox(address);
    assert_eq!((mailbox.id, mailbox.approval, mailbox.active), (id, Approval::Pending, true));
    assert!(!mailbox.incoming.enabled);
}

const DECLARED: &str = r#"
[email_settings]
default_profile = "contoso"
[[profile]]
name = "contoso"
incoming = { host = "imap.contoso.example" }
[[queue]]
name = "Support"
email_address = "support@contoso.example"
[[mailbox]]
email_address = "all@contoso.example"
kind = "forward"
enabled = true
"#;

#[test]
fn what_a_file_declares_is_refused_with_its_place() {
    let world = World::new(DECLARED);
    let hint = "change it there, then: systemctl reload mailsyncd";
    let profile = format!("profile contoso is declared at test.toml:4 | {hint}");
    assert_eq!(world.refuses(|desk| desk.set_profile("contoso", &[("description", "x")])), profile);
    assert_eq!(world.refuses(|desk| desk.remove_profile("contoso")), profile);
    assert_eq!(world.refuses(|desk| desk.add_profile("contoso", &[])), profile);
    let queue = format!("queue Support is declared at test.toml:7 | {hint}");
    assert_eq!(world.refuses(|desk| desk.set_owner(MailboxKind::Queue, "Support", &[("external_id", "1")])), queue);
    assert_eq!(world.refuses(|desk| desk.remove_owner(MailboxKind::Queue, "Support")), queue);
    let both = format!(
        "there are 2 problems, nothing was done\n  mailbox all@contoso.example is declared at test.toml:10 | {hint}\n  \
         mailbox support@contoso.example is declared at test.toml:7 | {hint}"
    );
    assert_eq!(world.refuses(|desk| desk.set_mailboxes(&Selection::All, &[("incoming", "none")])), both);
    assert_eq!(world.refuses(|desk| desk.remove_mailboxes(&Selection::All)), both);
    assert_eq!(
        world.refuses(|desk| desk.disable(&Selection::All, &[Workload::Incoming])),
        "mailbox all@contoso.example is enabled at test.toml:10 | say enabled = false there, then: systemctl reload mailsyncd"
    );
}

#[test]
fn a_file_takes_over_what_it_declares_and_leaves_the_rest_alone() {
    let mut world = World::made();
    world.does(|desk| desk.add_profile("other", &[("incoming_host", "imap.other.example")]));
    world.does(|desk| desk.set_profile("contoso", &[("default", "false")]));
    world.config = config(DECLARED);
    let plan = plan_declared(&world.config, &world.records, NOW).unwrap();
    let lines: Vec<String> = plan.iter().map(ToString::to_string).collect();
    assert_eq!(
        lines,
        [
            "profile contoso: default false -> true; was made by command, declared at test.toml:4 now",
            "queue Support: was made by command, declared at test.toml:7 now",
            "mailbox all@contoso.example: new, approval not required, enabled",
            "mailbox support@contoso.example: was made by command, declared at test.toml:7 now",
        ]
    );
    world.apply(plan.into_iter().map(|planned| planned.change));
    assert!(plan_declared(&world.config, &world.records, NOW).unwrap().is_empty(), "done again it does nothing");
    // A second mailbox of the same queue is told of, and nothing is done.
    let mut world = World::made();
    world.config =
        config(&format!("{DECLARED}[[mailbox]]\nemail_address = \"s@contoso.example\"\nowner = \"queue:Support\"\n"));
    let wrong = plan_declared(&world.config, &world.records, NOW).unwrap_err().to_string();
    assert!(
        wrong.contains(
            "mailbox s@contoso.example: queue Support has the mailbox support@contoso.example, made by command"
        ),
        "{wrong}"
    );
}

#[test]
fn defaults_are_applied_and_a_test_is_asked_for() {
    let mut world = World::made();
    let given = [("incoming_host", "imap.other.example")];
    world.does(|desk| desk.add_profile("other", &given));
    world.does(|desk| {
        desk.add_mailbox("all@contoso.example", &[("kind", "forward"), ("profile", "other"), ("incoming", "none")])
    });
    let plan = world.decide(|desk| desk.apply_defaults(&Selection::All)).unwrap();
    let lines: Vec<String> = plan.changes.iter().map(ToString::to_string).collect();
    assert_eq!(
        lines,
        [
            "mailbox all@contoso.example: profile other -> contoso; read false -> true",
            "mailbox all@contoso.example: will be tested, and enabled where that goes well",
        ]
    );
    assert!(matches!(plan.changes[1].change, RecordChange::QueueTest(..)));
    assert_eq!(
        plan.notes,
        ["mailbox support@contoso.example: not tested: it waits for approval: mailsyncd mailbox approve"]
    );
    world.does(|desk| desk.set_profile("contoso", &[("default", "false")]));
    let wrong = world.refuses(|desk| desk.apply_defaults(&Selection::All));
    assert!(wrong.starts_with("there is no default profile | "), "{wrong}");
}

#[test]
fn mailboxes_are_disabled_wholly_or_in_part() {
    let mut world = World::made();
    let mailbox = world.mailbox("support@contoso.example");
    (mailbox.incoming.enabled, mailbox.outgoing.enabled) = (true, true);
    let lines = world.does(|desk| desk.disable(&Selection::All, &[Workload::Outgoing]));
    assert_eq!(lines, ["mailbox support@contoso.example: sending disabled"]);
    let lines = world.does(|desk| desk.disable(&Selection::All, &[Workload::Incoming, Workload::Outgoing]));
    assert_eq!(lines, ["mailbox support@contoso.example: disabled"]);
}

#[test]
fn what_failed_is_forgotten_of_a_mailbox_that_is_to_stay_disabled() {
    let mut world = World::made();
    let mailbox = world.mailbox("support@contoso.example");
    mailbox.incoming.failure_code = Some(FailureCode::AuthExpired);
    mailbox.incoming.test_status = TestStatus::Failure;
    mailbox.outgoing.test_status = TestStatus::Failure;
    let both = [Workload::Incoming, Workload::Outgoing];
    let lines = world.does(|desk| desk.disable(&Selection::All, &both));
    let forgotten = [
        "mailbox support@contoso.example: stays disabled, and not because of a failure (auth-expired)",
        "mailbox support@contoso.example: sending stays disabled, and its failed test is forgotten",
    ];
    assert_eq!(lines, forgotten);
    assert_eq!(world.does(|desk| desk.disable(&Selection::All, &both)), [""; 0]);
}

#[test]
fn who_disables_a_mailbox_calls_its_test_off() {
    let mut world = World::made();
    let mailbox = world.mailbox("support@contoso.example");
    mailbox.outgoing_method = SyncMethod::ServerSideSync;
    mailbox.outgoing.enabled = true;
    let id = mailbox.id;
    world.records.tested.insert(id);
    let both = [Workload::Incoming, Workload::Outgoing];
    let lines = world.does(|desk| desk.disable(&Selection::All, &both));
    assert_eq!(lines, ["mailbox support@contoso.example: sending disabled, and its test is called off"]);
    let called_off = ["mailbox support@contoso.example: its test is called off"];
    for workloads in [&both[..], &both[..1], &both[1..]] {
        world.records.tested.insert(id);
        assert_eq!(world.does(|desk| desk.disable(&Selection::All, workloads)), called_off);
    }
    assert_eq!(world.does(|desk| desk.disable(&Selection::All, &both)), [""; 0]);
}

#[path = "edit/exchange_tests.rs"]
mod exchange;
