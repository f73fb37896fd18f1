//! Signals end the work in order: what is under way is dropped, and cleans up behind itself.

/// Somebody asked the program to stop.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Interrupted(&'static str);

/// Does the work, unless a person presses Ctrl-C or a service manager asks to stop; then the error says `told`.
///
/// Once this was called, signals do nothing by themselves: all that comes later must be interruptible too.
pub async fn interruptible<T>(told: &'static str, work: impl Future<Output = T>) -> anyhow::Result<T> {
    tokio::select! {
        done = work => Ok(done),
        signal = asked_to_stop() => {
            signal?;
            Err(Interrupted(told).into())
        }
    }
}

/// Ctrl-C, or what a service manager sends.
#[cfg(unix)]
pub async fn asked_to_stop() -> std::io::Result<()> {
    let mut ended = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::select! {
        outcome = tokio::signal::ctrl_c() => outcome,
        _ = ended.recv() => Ok(()),
    }
}

/// Ctrl-C.
#[cfg(not(unix))]
pub async fn asked_to_stop() -> std::io::Result<()> {
    tokio::signal::ctrl_c().await
}
