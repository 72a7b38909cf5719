//! Sample messages of our own making.

/// A small message with this Message-ID (without brackets).
pub fn small(id: &str) -> Vec<u8> {
    message(id, "Kurzer Gruß\r\n")
}

/// A message of about `bytes` bytes.
pub fn big(id: &str, bytes: usize) -> Vec<u8> {
    let line = "All work and no play makes the daemon a dull process, says the operator. \r\n";
    message(id, &line.repeat(bytes / line.len() + 1))
}

fn message(id: &str, body: &str) -> Vec<u8> {
    format!(
        "Return-Path: <carla@customer.example>\r\n\
         From: Carla Customer <carla@customer.example>\r\n\
         To: support@sample.example\r\n\
         Subject: about {id}\r\n\
         Date: Mon, 02 Mar 2026 09:30:00 +0100\r\n\
         Message-ID: <{id}>\r\n\
         MIME-Version: 1.0\r\n\
         Content-Type: text/plain; charset=utf-8\r\n\
         Content-Transfer-Encoding: 8bit\r\n\
         \r\n\
         {body}"
    )
    .into_bytes()
}
