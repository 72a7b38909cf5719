//! Testing a profile: whether its servers answer and greet as it says. No secret is looked up or sent.

use tokio::sync::mpsc::unbounded_channel;

use crate::{
    model::{mailbox::Workload, profile::ServerProfile, testing::StageReport},
    net::{dial::PortPolicy, tls::TlsClient},
    probe::{
        Steps,
        endpoint::{Way, greets_readers, greets_senders},
    },
};

/// Goes as far as each server of `profile` lets anybody, one after the other. Every stage is told of; the
/// last one of a server may have failed.
pub async fn probe(profile: &ServerProfile, ports: &PortPolicy, tls: &TlsClient) -> Vec<StageReport> {
    let (told, mut heard) = unbounded_channel();
    let timeout = profile.connection_timeout;
    let way = |endpoint| Way { endpoint, ports, tls, timeout };
    let steps = |workload| Steps::new(workload, told.clone());
    // What failed is the last stage that is told of.
    let _ = greets_readers(way(&profile.incoming), profile.server_type, &steps(Workload::Incoming)).await;
    if let Some(outgoing) = &profile.outgoing {
        let _ = greets_senders(way(outgoing), &steps(Workload::Outgoing)).await;
    }
    drop(told);
    let mut stages = Vec::new();
    while let Some(stage) = heard.recv().await {
        stages.push(stage);
    }
    stages
}
