//! Beginning a workspace from its seed or from a folder, and keeping it there: `state.json` beside `blobs/<SHA-256>`.

use super::http::Hub;
use super::world::World;
use super::{Options, Seed, SimulatorError, generated, sample};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::task::JoinHandle;

/// The saved state where there is one, otherwise the seed.
pub(super) fn begin(options: &Options) -> Result<World, SimulatorError> {
    let Some(folder) = &options.folder else { return seeded(options) };
    let place = folder.join("state.json");
    if !place.exists() {
        return seeded(options);
    }
    let failed = |source| SimulatorError::Folder { folder: folder.clone(), source };
    let text = std::fs::read(&place).map_err(failed)?;
    let unread = |source| SimulatorError::State { place: place.display().to_string(), source };
    let mut world: World = serde_json::from_slice(&text).map_err(unread)?;
    world.load_bodies(&folder.join("blobs")).map_err(failed)?;
    world.configure(options);
    world.begin_activity();
    Ok(world)
}

pub(super) fn seeded(options: &Options) -> Result<World, SimulatorError> {
    let mut world = World::new(options);
    match &options.seed {
        Seed::Empty => {}
        Seed::Sample => sample::fill(&mut world)?,
        Seed::Prepared => sample::prepare(&mut world)?,
        Seed::Furnished { lists, files } => sample::furnish(&mut world, lists, files)?,
        Seed::Generated { notebooks, folders, jobs, seed } => generated::fill(&mut world, *notebooks, *folders, *jobs, *seed),
    }
    world.begin_activity();
    Ok(world)
}

/// Saves now and then what has changed, so that a process that is killed loses a second at most.
pub(super) fn keep_saving(hub: &Arc<Hub>) -> Option<JoinHandle<()>> {
    hub.options.folder.as_ref()?;
    let hub = hub.clone();
    Some(tokio::spawn(async move {
        loop {
            tokio::time::sleep(Duration::from_secs(1)).await;
            let hub = hub.clone();
            let _ = tokio::task::spawn_blocking(move || save(&hub)).await;
        }
    }))
}

/// Writes the state where a folder was given and something changed: aside first, then in place by a rename.
pub(super) fn save(hub: &Hub) -> io::Result<()> {
    let Some(folder) = &hub.options.folder else { return Ok(()) };
    if !hub.dirty.swap(false, Ordering::SeqCst) {
        return Ok(());
    }
    write(hub, folder).inspect_err(|_| hub.dirty.store(true, Ordering::SeqCst))
}

fn write(hub: &Hub, folder: &Path) -> io::Result<()> {
    let blobs = folder.join("blobs");
    std::fs::create_dir_all(&blobs)?;
    let text = {
        let world = hub.world();
        world.save_bodies(&blobs)?;
        serde_json::to_vec(&*world)?
    };
    let aside = folder.join("state.json.new");
    std::fs::write(&aside, text)?;
    std::fs::rename(aside, folder.join("state.json"))
}
