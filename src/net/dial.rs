//! From a host name to a connected socket.

use std::{
    collections::BTreeSet,
    io,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use futures::{StreamExt, stream::FuturesUnordered};
use tokio::net::{TcpStream, lookup_host};

use super::{deadline::within, error::NetError};

/// Longest wait for a name's addresses.
const LOOKUP_LIMIT: Duration = Duration::from_secs(5);
/// Longest wait for a connection, over all addresses.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);
/// Head start of each address over the next (RFC 8305 §5).
const HEAD_START: Duration = Duration::from_millis(250);

/// The ports that may be connected to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortPolicy {
    /// All of them.
    pub allowed: BTreeSet<u16>,
}

impl PortPolicy {
    /// Whether `port` may be connected to.
    ///
    /// # Errors
    /// [`NetError::PortNotAllowed`].
    pub fn check(&self, port: u16) -> Result<(), NetError> {
        if self.allowed.contains(&port) { Ok(()) } else { Err(NetError::PortNotAllowed(port)) }
    }
}

/// What an address is reached through.
pub type NetStream = TcpStream;

/// Connects to `host` (a name or an address) at `port`: looks the name up once and tries the
/// addresses in the system's order, each with a short head start over the next. Within 5 s for the
/// name and 10 s for the connection, or `limit` for each if that is shorter.
///
/// # Errors
/// The port is not allowed, the name has no address, or no address answers.
///
/// # Cancel safety
/// Dropping the future closes whatever was opened.
pub async fn dial(host: &str, port: u16, ports: &PortPolicy, limit: Duration) -> Result<NetStream, NetError> {
    let addresses = resolve(host, port, ports, limit).await?;
    reach(addresses, limit).await
}

/// The second half of [`dial`]: a connection to one of `addresses`.
///
/// # Errors
/// No address answers within 10 s, or `limit`.
///
/// # Cancel safety
/// As of [`dial`].
pub async fn reach(addresses: Vec<SocketAddr>, limit: Duration) -> Result<NetStream, NetError> {
    let stream = within(limit.min(CONNECT_LIMIT), "connect", first_to_answer(addresses))
        .await
        .map_err(|_| NetError::ConnectTimeout)??;
    stream.set_nodelay(true).map_err(NetError::from_io)?;
    Ok(stream)
}

/// The first half of [`dial`]: the addresses of `host`.
///
/// # Errors
/// The port is not allowed, or the name has no address, or none within 5 s, or `limit`.
///
/// # Cancel safety
/// May be dropped at any point.
pub async fn resolve(host: &str, port: u16, ports: &PortPolicy, limit: Duration) -> Result<Vec<SocketAddr>, NetError> {
    ports.check(port)?;
    let literal = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    if let Ok(address) = literal.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(address, port)]);
    }
    let failed = |detail: String| NetError::DnsFailed { host: host.to_owned(), detail };
    let addresses: Vec<SocketAddr> = match within(limit.min(LOOKUP_LIMIT), "lookup", lookup_host((host, port))).await {
        Err(_) => return Err(failed("no answer in time".to_owned())),
        Ok(Err(error)) => return Err(lookup_error(host, error)),
        Ok(Ok(addresses)) => addresses.collect(),
    };
    if addresses.is_empty() { Err(NetError::DnsNotFound { host: host.to_owned() }) } else { Ok(addresses) }
}

/// Tells "there is no such name" from "could not find out".
///
/// The system's resolver has a code for it, but the standard library keeps only its text, which is
/// not translated as long as nobody calls `setlocale`: we do not. glibc says the first two, musl the
/// third; anything else counts as "could not find out", which is the milder of the two.
fn lookup_error(host: &str, error: io::Error) -> NetError {
    const NO_SUCH_NAME: [&str; 3] =
        ["Name or service not known", "No address associated with hostname", "Name does not resolve"];
    let text = error.to_string();
    let missing = error.kind() == io::ErrorKind::InvalidInput || NO_SUCH_NAME.iter().any(|words| text.contains(words));
    match NetError::from_io(error) {
        exhausted @ NetError::ResourcesExhausted(_) => exhausted,
        _ if missing => NetError::DnsNotFound { host: host.to_owned() },
        _ => NetError::DnsFailed { host: host.to_owned(), detail: text },
    }
}

async fn first_to_answer(addresses: Vec<SocketAddr>) -> Result<TcpStream, NetError> {
    let mut waiting = addresses.into_iter().peekable();
    let mut attempts = FuturesUnordered::new();
    let mut failure = NetError::Unreachable;
    loop {
        if let Some(address) = waiting.next() {
            attempts.push(TcpStream::connect(address));
        } else if attempts.is_empty() {
            return Err(failure);
        }
        loop {
            let finished = tokio::select! {
                finished = attempts.next() => finished,
                () = tokio::time::sleep(HEAD_START), if waiting.peek().is_some() => break,
            };
            match finished {
                Some(Ok(stream)) => return Ok(stream),
                // Running out of descriptors says more than the other addresses' refusals.
                Some(Err(_)) if matches!(failure, NetError::ResourcesExhausted(_)) => {}
                Some(Err(error)) => failure = NetError::from_io(error),
                None => break,
            }
            if waiting.peek().is_some() {
                break;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    fn any_of(ports: &[u16]) -> PortPolicy {
        PortPolicy { allowed: ports.iter().copied().collect() }
    }

    #[tokio::test]
    async fn connects_where_somebody_listens_and_says_why_not_elsewhere() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let second = Duration::from_secs(1);
        let stream = dial("127.0.0.1", port, &any_of(&[port]), second).await.unwrap();
        assert!(stream.nodelay().unwrap());
        dial("localhost", port, &any_of(&[port]), second).await.unwrap();
        let refused = dial("127.0.0.1", port, &any_of(&[993]), second).await.unwrap_err();
        assert!(matches!(refused, NetError::PortNotAllowed(p) if p == port));
        drop(listener);
        assert!(matches!(dial("127.0.0.1", port, &any_of(&[port]), second).await, Err(NetError::Refused)));
    }

    #[tokio::test]
    async fn a_later_address_is_used_where_the_first_refuses() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let good = listener.local_addr().unwrap();
        let closed = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let bad = closed.local_addr().unwrap();
        drop(closed);
        let stream = first_to_answer(vec![bad, bad, good]).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), good);
        assert!(matches!(first_to_answer(vec![bad, bad]).await, Err(NetError::Refused)));
    }

    #[test]
    fn no_such_name_is_told_from_no_answer() {
        let of = |text: &str| lookup_error("h", io::Error::other(format!("failed to lookup: {text}")));
        assert!(matches!(of("Name or service not known"), NetError::DnsNotFound { .. }));
        assert!(matches!(of("Temporary failure in name resolution"), NetError::DnsFailed { .. }));
        let descriptors = lookup_error("h", io::Error::from_raw_os_error(24));
        assert!(matches!(descriptors, NetError::ResourcesExhausted(_)));
    }
}
