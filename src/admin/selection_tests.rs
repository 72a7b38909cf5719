use super::*;
use crate::admin::fixtures::{mailbox, profile, records};

fn selected(records: &Records, selection: &Selection) -> Vec<String> {
    select_of(records, selection).unwrap().into_iter().map(|mailbox| mailbox.email_address).collect()
}

fn addresses(addresses: &[&str]) -> Selection {
    Selection::Addresses(addresses.iter().map(|address| (*address).to_owned()).collect())
}

#[test]
fn mailboxes_are_selected_by_address_by_profile_or_all() {
    let (contoso, fabrikam) = (profile("contoso"), profile("fabrikam"));
    let mut gone = mailbox("gone@contoso.example", Some(&contoso));
    gone.active = false;
    let records = records(
        &[contoso.clone(), fabrikam],
        &[mailbox("b@contoso.example", Some(&contoso)), mailbox("a@contoso.example", None), gone],
    );
    assert_eq!(
        selected(&records, &addresses(&["B@Contoso.example", "a@contoso.example", "b@contoso.example"])),
        ["b@contoso.example", "a@contoso.example"]
    );
    assert_eq!(selected(&records, &Selection::Profile("contoso".into())), ["b@contoso.example"]);
    assert!(selected(&records, &Selection::Profile("fabrikam".into())).is_empty());
    assert_eq!(selected(&records, &Selection::All), ["a@contoso.example", "b@contoso.example"]);
    let wrong = select_of(&records, &Selection::Profile("contosa".into())).unwrap_err();
    assert_eq!(wrong.to_string(), "there is no profile \"contosa\"");
}

#[test]
fn all_addresses_that_are_wrong_are_named_at_once() {
    let contoso = profile("contoso");
    let mut gone = mailbox("gone@contoso.example", Some(&contoso));
    gone.active = false;
    let records = records(std::slice::from_ref(&contoso), &[mailbox("anna@contoso.example", Some(&contoso)), gone]);
    let asked = addresses(&["ana@contoso.example", "anna@contoso.example", "gone@contoso.example", "zoe\u{1b}@x"]);
    let wrong = select_of(&records, &asked).unwrap_err();
    assert_eq!(
        wrong.to_string(),
        "nothing was done: there is no mailbox ana@contoso.example, did you mean anna@contoso.example?; \
         mailbox gone@contoso.example was removed; there is no mailbox zoe @x"
    );
}
