//! What the configuration of a private Dovecot says; every `@NAME@` is filled in.

/// Reading over IMAP and POP3.
pub const CONFIG: &str = "\
base_dir = @DIR@/run
state_dir = @DIR@/state
log_path = @DIR@/log
protocols = imap pop3
listen = 127.0.0.1
default_internal_user = @USER@
default_internal_group = @GROUP@
default_login_user = @USER@
first_valid_uid = 1
first_valid_gid = 1
ssl = @SSL@
ssl_cert = <@CERTIFICATE@
ssl_key = <@KEY@
disable_plaintext_auth = no
auth_mechanisms = plain login
auth_failure_delay = 0
mail_location = maildir:~/Maildir
mail_fsync = never
mail_max_userip_connections = 1000
mailbox_idle_check_interval = 1 secs
maildir_stat_dirs = yes
passdb {
  driver = passwd-file
  args = scheme=PLAIN username_format=%u @DIR@/users
}
userdb {
  driver = passwd-file
  args = username_format=%u @DIR@/users
}
namespace inbox {
  inbox = yes
  mailbox Sent {
    special_use = \\Sent
  }
  mailbox Trash {
    special_use = \\Trash
  }
}
service anvil {
  chroot =
  unix_listener anvil-auth-penalty {
    mode = 0
  }
}
service stats {
  chroot =
}
service auth {
  unix_listener auth-others {
    mode = 0666
  }
}
service imap-login {
  chroot =
  service_count = 0
  process_min_avail = 1
  inet_listener imap {
    port = @IMAP@
  }
  inet_listener imaps {
    port = @IMAPS@
    ssl = yes
  }
}
service imap {
  process_limit = 200
}
service pop3-login {
  chroot =
  service_count = 0
  inet_listener pop3 {
    port = @POP3@
  }
  inet_listener pop3s {
    port = @POP3S@
    ssl = yes
  }
}
service pop3 {
  process_limit = 200
}
";

/// With a server for submission, which relays.
pub const RELAY: &str = "\
protocols = imap pop3 submission
hostname = mail.sample.example
submission_relay_host = 127.0.0.1
submission_relay_port = @RELAY@
service submission-login {
  chroot =
  service_count = 0
  inet_listener submission {
    port = @SUBMISSION@
  }
  inet_listener submissions {
    port = 0
  }
}
";
