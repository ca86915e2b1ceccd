//! An agent alone, from a JSON file: `agent CONFIG`. For tests that need a process of its own; the product's binary is
//! `quorate agent`.

use std::error::Error;

use tokio_util::sync::CancellationToken;

#[tokio::main(worker_threads = 2)]
async fn main() -> Result<(), Box<dyn Error>> {
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
        .with_writer(std::io::stderr)
        .init();
    let path = std::env::args().nth(1).ok_or("usage: agent CONFIG")?;
    let config: quorate_agent::Config = serde_json::from_slice(&std::fs::read(path)?)?;
    quorate_agent::run(config, CancellationToken::new()).await?;
    Ok(())
}
