//! A small HTTP server for a few local readers: GET only, one request for each connection, everything
//! bounded.

use std::{convert::Infallible, future::Future, io, net::SocketAddr, sync::Arc, time::Duration};

use http_body_util::Full;
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Bytes, Incoming},
    header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{net::TcpListener, sync::Semaphore, time::timeout};
use tokio_util::sync::CancellationToken;

use crate::base::tasks::Tasks;

/// Connections at a time; further ones are closed at once.
const CONNECTIONS: usize = 16;
/// Request line and header together, in bytes (the least that hyper takes).
const LONGEST_HEADER: usize = 8_192;
/// The header must be here by then.
const HEADER: Duration = Duration::from_secs(5);
/// All of a connection must be over by then.
const CONNECTION: Duration = Duration::from_secs(20);
/// After a failed accept (no descriptors left): not at once again.
const PAUSE: Duration = Duration::from_millis(100);

/// What is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// What `body` is.
    pub content_type: &'static str,
    /// The text.
    pub body: String,
}

impl Answer {
    /// Plain text.
    pub fn text(status: u16, body: impl Into<String>) -> Self {
        Self { status, content_type: "text/plain; charset=utf-8", body: body.into() }
    }
}

/// Listens at `address`; port 0: any that is free.
///
/// # Errors
/// The address cannot be had.
pub async fn listen(address: SocketAddr) -> io::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind(address).await?;
    let bound = listener.local_addr()?;
    Ok((listener, bound))
}

/// Answers GETs with what `handler` makes of their path, until `stop`.
///
/// # Cancel safety
/// Dropped, no further connection is taken; those that are open end by themselves.
pub async fn serve<H, F>(listener: TcpListener, handler: H, tasks: Tasks, stop: CancellationToken)
where
    H: Fn(String) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Answer> + Send + 'static,
{
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => return,
        };
        let Ok((stream, _)) = accepted else {
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        let Ok(permit) = Arc::clone(&room).try_acquire_owned() else { continue };
        let (handler, stop) = (handler.clone(), stop.clone());
        tasks.spawn("http", async move {
            let service = service_fn(move |request| respond(request, handler.clone()));
            let mut server = http1::Builder::new();
            server.timer(TokioTimer::new()).header_read_timeout(HEADER).max_buf_size(LONGEST_HEADER).keep_alive(false);
            let connection = server.serve_connection(TokioIo::new(stream), service);
            // Whoever speaks no HTTP, or is too slow, is let go without a word.
            tokio::select! {
                _ = timeout(CONNECTION, connection) => {}
                () = stop.cancelled() => {}
            }
            drop(permit);
        });
    }
}

async fn respond<H, F>(request: Request<Incoming>, handler: H) -> Result<Response<Full<Bytes>>, Infallible>
where
    H: Fn(String) -> F,
    F: Future<Output = Answer>,
{
    let answer = match *request.method() {
        Method::GET => handler(request.uri().path().to_owned()).await,
        _ => Answer::text(405, "only GET\n"),
    };
    let mut response = Response::new(Full::new(Bytes::from(answer.body)));
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(answer.content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if answer.status == 405 {
        headers.insert(ALLOW, HeaderValue::from_static("GET"));
    }
    Ok(response)
}
