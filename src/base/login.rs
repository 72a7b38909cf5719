//! Who runs this process, as the system knows it. The environment is not asked: anybody can write there.

use std::fs;

/// The login name of the real user of this process; `uid N` where `/etc/passwd` has none.
pub fn login_name() -> String {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let users = fs::read("/etc/passwd").unwrap_or_default();
    name_of(&status, &String::from_utf8_lossy(&users))
}

fn name_of(status: &str, users: &str) -> String {
    let uid = status.lines().find_map(|line| line.strip_prefix("Uid:")).and_then(|ids| ids.split_whitespace().next());
    let Some(uid) = uid else { return "unknown user".to_owned() };
    let name = users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next().filter(|name| !name.is_empty())?;
        (fields.nth(1) == Some(uid)).then(|| name.to_owned())
    });
    name.unwrap_or_else(|| format!("uid {uid}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_real_user_counts_and_not_the_effective_one() {
        let users = "root:x:0:0:root:/root:/bin/bash\nanna:x:1000:0:Anna:/home/anna:/bin/sh\n";
        let status = |uid| format!("Name:\tmailsyncd\nUid:\t{uid}\t0\t0\t0\nGid:\t0\t0\t0\t0\n");
        assert_eq!(name_of(&status("1000"), users), "anna");
        assert_eq!(name_of(&status("100"), users), "uid 100");
        assert_eq!(name_of("", users), "unknown user");
    }

    #[test]
    fn whoever_runs_this_has_a_name() {
        assert!(!["", "unknown user"].contains(&login_name().as_str()));
    }
}
