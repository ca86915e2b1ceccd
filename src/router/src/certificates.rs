//! Takes up replaced certificate files without a restart.

use std::sync::Arc;
use std::time::Duration;

use quorate_api::tls::Tls;
use tokio_util::sync::CancellationToken;

/// How often the files are looked at; certificates are replaced days before they end.
const LOOK_EVERY: Duration = Duration::from_secs(30);

/// Looks at the files until `stop`. Files that cannot be used leave the present certificates in place.
pub(crate) async fn keep_fresh(tls: Arc<Tls>, stop: CancellationToken) {
    let mut failing = false;
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
        let looked = tls.clone();
        match tokio::task::spawn_blocking(move || looked.reload()).await {
            Ok(Ok(changed)) => {
                failing = false;
                if changed {
                    tracing::info!("certificates were replaced");
                }
            }
            Ok(Err(error)) if !failing => {
                failing = true;
                tracing::error!(%error, "replaced certificates cannot be used; the present ones stay");
            }
            Ok(Err(_)) | Err(_) => {}
        }
    }
}
