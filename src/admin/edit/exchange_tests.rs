//! Profiles of Exchange Online: what fills itself in, and who must be approved.

use super::*;

const HERE: &str = r#"
[email_settings]
default_profile = "exo"
[[profile]]
name = "exo"
server_type = "exchange_online"
[[queue]]
name = "Support"
email_address = "support@contoso.example"
[[user]]
name = "Ada"
email_address = "ada@contoso.example"
"#;

impl World {
    /// A profile of Exchange Online, which is the default, made by command.
    fn exchange() -> Self {
        let mut world = Self::new(PLAIN);
        let given = [("server_type", "exchange_online"), ("default", "true")];
        let lines = world.does(|desk| desk.add_profile("exo", &given));
        let servers = "outlook.office365.com:993 (tls), sending through smtp.office365.com:587 (starttls)";
        assert_eq!(lines, [format!("profile exo: new, {servers}")]);
        world
    }

    fn add_user(&mut self, name: &str, address: &str) -> Vec<String> {
        self.does(|desk| desk.add_owner(MailboxKind::User, name, &[("email_address", address)], true))
    }

    /// Does what the files say, and again, which does nothing.
    fn declares(&mut self, text: &str) -> Vec<String> {
        self.config = config(text);
        let plan = plan_declared(&self.config, &self.records, NOW).unwrap();
        let lines = plan.iter().map(ToString::to_string).collect();
        self.apply(plan.into_iter().map(|planned| planned.change));
        assert_eq!(plan_declared(&self.config, &self.records, NOW).unwrap(), []);
        lines
    }
}

#[test]
fn servers_fill_themselves_in_where_they_are_not_given() {
    let mut world = World::exchange();
    assert!(world.does(|desk| desk.set_profile("exo", &[("outgoing_host", "")])).is_empty(), "filled in again");
    let given = [("incoming_port", "587"), ("outgoing_host", "relay.contoso.example"), ("outgoing_security", "tls")];
    assert_eq!(
        world.does(|desk| desk.set_profile("exo", &given)),
        ["profile exo: incoming outlook.office365.com:993 (tls) -> outlook.office365.com:587 (tls); \
          outgoing smtp.office365.com:587 (starttls) -> relay.contoso.example:465 (tls)"]
    );
    let given = HERE.replace("online\"", "online\"\nincoming = { host = \"gate.example\" }\noutgoing.auth = \"login\"");
    let lines = World::new(PLAIN).declares(&given);
    let servers = "gate.example:993 (tls), sending through smtp.office365.com:587 (starttls)";
    assert_eq!(lines[0], format!("profile exo: new, {servers}"));
    let wrong = world.refuses(|desk| desk.set_profile("exo", &[("outgoing_host", "https://x")]));
    assert!(wrong.starts_with("--outgoing-host: "), "{wrong}");
}

#[test]
fn protocols_of_the_same_reading_may_change_into_each_other() {
    let mut world = World::exchange();
    let lines = world.does(|desk| desk.set_profile("exo", &[("server_type", "imap_smtp")]));
    assert_eq!(lines, ["profile exo: server_type exchange_online -> imap_smtp"]);
    let lines = world.does(|desk| desk.set_profile("exo", &[("server_type", "exchange_online")]));
    assert_eq!(lines, ["profile exo: server_type imap_smtp -> exchange_online"]);
    let wrong = world.refuses(|desk| desk.set_profile("exo", &[("server_type", "pop3_smtp")]));
    assert!(wrong.starts_with("profile exo cannot become pop3_smtp: it is exchange_online | "), "{wrong}");
    world.does(|desk| desk.add_profile("pop", &[("server_type", "pop3_smtp"), ("incoming_host", "pop.example")]));
    let wrong = world.refuses(|desk| desk.set_profile("pop", &[("server_type", "exchange_online")]));
    assert!(wrong.starts_with("profile pop cannot become exchange_online: it is pop3_smtp | "), "{wrong}");
    let config = config("[[profile]]\nname = \"pop\"\nserver_type = \"exchange_online\"\n");
    let wrong = plan_declared(&config, &world.records, NOW).unwrap_err().to_string();
    assert!(wrong.contains("profile pop cannot become exchange_online: it is pop3_smtp"), "{wrong}");
}

#[test]
fn a_new_mailbox_by_command_is_approved_of_itself_and_a_changed_address_is_not() {
    let mut world = World::exchange();
    let lines = world.add_user("Ada", "ada@contoso.example");
    assert_eq!(lines[1], "mailbox ada@contoso.example: new, approved of itself (exchange_online), not enabled");
    assert_eq!(world.mailbox("ada@contoso.example").approval, Approval::Approved);
    let given = [("email_address", "lovelace@contoso.example")];
    let lines = world.does(|desk| desk.set_mailboxes(&of("ada@contoso.example"), &given));
    assert!(lines[1].ends_with("; approval approved -> waiting for approval"), "{lines:?}");
    // Nor where the change takes two steps.
    world.mailbox("lovelace@contoso.example").approval = Approval::Approved;
    world.does(|desk| desk.remove_mailboxes(&of("lovelace@contoso.example")));
    world.does(|desk| desk.add_mailbox("ada@contoso.example", &[("owner", "user:Ada")]));
    assert_eq!(world.mailbox("ada@contoso.example").approval, Approval::Pending);
    // One that was rejected is not approved by coming back.
    world.mailbox("ada@contoso.example").approval = Approval::Rejected;
    world.does(|desk| desk.remove_mailboxes(&of("ada@contoso.example")));
    world.does(|desk| desk.add_mailbox("ada@contoso.example", &[("owner", "user:Ada")]));
    assert_eq!(world.mailbox("ada@contoso.example").approval, Approval::Pending);
    world.does(|desk| desk.add_mailbox("all@contoso.example", &[("kind", "forward")]));
    assert_eq!(world.mailbox("all@contoso.example").approval, Approval::Empty, "nobody has to approve it");
}

#[test]
fn a_mailbox_that_waited_is_not_approved_by_its_profile() {
    let mut world = World::made();
    world.does(|desk| desk.add_profile("exo", &[("server_type", "exchange_online")]));
    world.does(|desk| desk.set_mailboxes(&Selection::All, &[("profile", "exo")]));
    assert_eq!(world.mailbox("support@contoso.example").approval, Approval::Pending);
    let mut world = World::made();
    world.does(|desk| desk.set_profile("contoso", &[("server_type", "exchange_online")]));
    assert_eq!(world.mailbox("support@contoso.example").approval, Approval::Pending);
    let imap = HERE.replace("server_type = \"exchange_online\"", "incoming.host = \"imap.example\"");
    let mut world = World::new(&imap);
    world.declares(HERE);
    assert_eq!(world.mailbox("ada@contoso.example").approval, Approval::Pending);
}

#[test]
fn a_new_mailbox_in_a_file_is_approved_of_itself_unless_the_file_says_otherwise() {
    let refused = "[[mailbox]]\nemail_address = \"support@contoso.example\"\nowner = \"queue:Support\"\n\
                   approved = false\n";
    let mut world = World::new(PLAIN);
    let lines = world.declares(&format!("{HERE}{refused}"));
    let ada = "mailbox ada@contoso.example: new, approved of itself (exchange_online), not enabled";
    assert!(lines.contains(&ada.to_owned()), "{lines:?}");
    assert_eq!(world.mailbox("ada@contoso.example").approval, Approval::Approved);
    assert_eq!(world.mailbox("support@contoso.example").approval, Approval::Pending);
    let not_required = HERE.replace("[[profile]]", "approve_users = false\n[[profile]]");
    let mut world = World::new(PLAIN);
    world.declares(&not_required);
    assert_eq!(world.mailbox("ada@contoso.example").approval, Approval::Empty);
    // One to be tested is tested at once: nobody has to approve it first.
    let tested = refused.replace("approved = false", "enabled = \"test\"");
    let lines = World::new(PLAIN).declares(&format!("{HERE}{tested}"));
    assert!(lines.contains(&"mailbox support@contoso.example: will be tested".to_owned()), "{lines:?}");
}

#[test]
fn an_address_that_changes_in_a_file_must_be_approved_on_every_profile() {
    let imap = HERE.replace("server_type = \"exchange_online\"", "incoming.host = \"imap.example\"");
    for text in [HERE, imap.as_str()] {
        let mut world = World::new(PLAIN);
        world.declares(text);
        world.mailbox("ada@contoso.example").approval = Approval::Approved;
        world.declares(&text.replace("ada@", "lovelace@"));
        assert_eq!(world.mailbox("lovelace@contoso.example").approval, Approval::Pending, "{text}");
        assert!(!world.mailbox("ada@contoso.example").active);
    }
}
