//! Running tests in this process, where no daemon does. Whoever takes a test's lease first runs it, so
//! that a daemon that starts meanwhile is not in the way.

use std::sync::Arc;

use tokio::{sync::watch, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use super::super::{Context, Fault};
use crate::{
    base::{hints::Hints, tasks::Tasks},
    means::{
        lockout::Lockout,
        network::{Network, NetworkSettings},
    },
    model::ids::{MailboxId, NodeId},
    net::tls::TlsClient,
    receive::{imap_source::ImapSources, sources::ServerSources},
    schedule::{
        driver::Settings,
        limits::LoginRate,
        testing::{Extent, Testing, trial::NetTrial},
    },
    store::Store,
};

/// Tests that run here.
pub(super) struct Here {
    stop: CancellationToken,
    running: JoinHandle<()>,
    sources: Arc<ServerSources>,
    /// Open as long as it runs.
    _settings: watch::Sender<Settings>,
}

/// Begins to run the tests of `mailboxes`.
///
/// # Errors
/// The configuration cannot be used.
pub(super) async fn start(context: &Context, store: &Store, mailboxes: Vec<MailboxId>) -> Result<Here, Fault> {
    let (config, clock) = (Arc::new(context.config()?), context.clock.clone());
    let tls = TlsClient::new(&config.network.extra_ca_files).map_err(Fault::usage)?;
    let (tasks, hints) = (Tasks::new(), Hints::new());
    let lockout = Lockout::new(store.clone(), clock.clone());
    let network = Network::new(tls, lockout, NetworkSettings::of(store, &config));
    let imap = ImapSources::new(network.clone(), hints.clone(), tasks.clone(), clock.clone());
    let sources = Arc::new(ServerSources::new(imap, network.clone(), store.clone()));
    let (settings, in_force) = watch::channel(Settings::of(&config));
    let testing = Testing {
        store: store.clone(),
        trial: Arc::new(NetTrial {
            store: store.clone(),
            clock: clock.clone(),
            network,
            sources: Arc::clone(&sources),
            logins: LoginRate::new(config.limits.logins_per_host_per_second),
        }),
        node: NodeId::generate(clock.now()),
        clock,
        settings: in_force,
        hints,
    };
    let stop = CancellationToken::new();
    let extent = Extent::Only(mailboxes.into_iter().collect());
    let running = tasks.spawn("tests", testing.run(extent, stop.clone()));
    Ok(Here { stop, running, sources, _settings: settings })
}

impl Here {
    /// Ends it; what is under way is given back.
    pub(super) async fn end(self) {
        self.stop.cancel();
        self.sources.imap().close_all();
        // A test that panicked has said so.
        let _ = self.running.await;
    }
}
