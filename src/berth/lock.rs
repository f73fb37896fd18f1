//! One import at a time, among all machines.
//!
//! The API has no lock, but it refuses to import over a file that is there. So the lock is a chain of files that are only ever
//! created: `lock`, and whoever takes over from the holder with token `t` creates `lock-t`. The last of the chain holds it.
//! A holder renews its own file and nobody else's; one that finds itself succeeded stops.

use super::{make_folder, put, remove, small};
use crate::api::{ApiError, ErrorKind, Workspace};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::time::Duration;

const LOCK: &str = "lock";
/// Which run wrote last.
const LAST: &str = "last";
/// Longer chains are none that we made.
const LONGEST: usize = 16;
/// A workspace may need a moment until it shows what was written.
const MOMENT: Duration = Duration::from_millis(300);
const MOMENTS: u32 = 3;
/// Bytes of a lock; what is longer is none of ours.
const LARGEST: usize = 16 << 10;

/// How long holders are waited for.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// A holder gives a sign of life this often.
    pub beat: Duration,
    /// After this long without one it may be dead, and is watched for a beat and a half before somebody takes over.
    pub silent: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self { beat: Duration::from_secs(30), silent: Duration::from_mins(10) }
    }
}

/// Who wants to import.
#[derive(Clone, Debug, Default)]
pub struct Claimant {
    /// A name for this run that no other has: see [`crate::journal::made_up`].
    pub token: String,
    /// User name.
    pub owner: String,
    /// Name of the machine.
    pub host: String,
    /// What tells its state folder from others: see [`crate::journal::folder_id`].
    pub state: String,
    /// Whether nobody else with this state folder can be importing now, so that its own lock of before is a dead one's.
    pub alone: bool,
}

/// Who imports, as the target has it. Anybody may have written it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Holder {
    token: String,
    /// User name.
    pub owner: String,
    /// Name of the machine.
    pub host: String,
    state: String,
    /// When it began.
    pub began: Option<Timestamp>,
    /// The last sign of life, by that machine's clock.
    pub renewed: Option<Timestamp>,
}

impl std::fmt::Display for Holder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let plain = |text: &str| text.chars().filter(|c| !c.is_control()).take(80).collect::<String>();
        let time = |time: Option<Timestamp>| time.map_or("nobody knows when".into(), |time| format!("{time:.0}"));
        let (owner, host) = (plain(&self.owner), plain(&self.host));
        write!(f, "{owner} on {host}, since {}, last seen {}", time(self.began), time(self.renewed))
    }
}

impl Holder {
    /// What stands in a lock; nonsense is a holder of whom nothing is known.
    fn read(bytes: &[u8]) -> Self {
        let read = (bytes.len() <= LARGEST).then(|| serde_json::from_slice::<Self>(bytes).ok()).flatten();
        read.filter(|one| one.token.len() == 32 && one.token.bytes().all(|byte| byte.is_ascii_hexdigit())).unwrap_or_else(|| {
            let token = format!("{:032x}", u128::from_be_bytes(Sha256::digest(bytes)[..16].try_into().unwrap_or_default()));
            Self { token, owner: "somebody".into(), host: "some machine".into(), ..Self::default() }
        })
    }

    fn bytes(&self) -> Vec<u8> {
        serde_json::to_vec_pretty(self).unwrap_or_default()
    }

    fn silent(&self) -> Duration {
        let since = self.renewed.map(|renewed| Timestamp::now().duration_since(renewed));
        since.and_then(|since| since.try_into().ok()).unwrap_or_default()
    }
}

/// What was seen of a target before a plan was made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sight {
    /// Who imports now.
    pub holder: Option<Holder>,
    last: Option<Vec<u8>>,
}

/// Why a target is not to be had.
#[derive(Debug, thiserror::Error)]
pub enum TakeError {
    /// Somebody imports.
    #[error("another import into this workspace is under way: {0}")]
    Busy(Box<Holder>),
    /// Somebody imported after the plan was made.
    #[error("another import changed this workspace while this one was planned")]
    Overtaken,
    /// What was written does not show.
    #[error("the lock that was written cannot be read back")]
    Unseen,
    /// The workspace did not answer.
    #[error("cannot tell whether another import is under way")]
    Api(#[from] ApiError),
}

/// Looks who imports, and remembers who did last. Writes nothing.
pub async fn look(workspace: &Workspace) -> Result<Sight, ApiError> {
    Ok(Sight { holder: chain(workspace).await?.pop().map(|(_, holder)| holder), last: small(workspace, LAST).await? })
}

impl Sight {
    /// Who imports now and must be waited for: somebody alive, and not this state folder's own dead run.
    pub fn busy(&self, claimant: &Claimant, timing: &Timing) -> Option<&Holder> {
        self.holder.as_ref().filter(|holder| !is_own_dead(holder, claimant) && holder.silent() < timing.silent)
    }
}

fn is_own_dead(holder: &Holder, claimant: &Claimant) -> bool {
    claimant.alone && !claimant.state.is_empty() && holder.state == claimant.state
}

/// The holders, each with its file, from the first to the one who holds now.
async fn chain(workspace: &Workspace) -> Result<Vec<(String, Holder)>, ApiError> {
    let (mut chain, mut name) = (Vec::new(), LOCK.to_owned());
    while let Some(bytes) = small(workspace, &name).await?.filter(|_| chain.len() < LONGEST) {
        let holder = Holder::read(&bytes);
        let next = format!("{LOCK}-{}", holder.token);
        chain.push((std::mem::replace(&mut name, next), holder));
    }
    Ok(chain)
}

/// The right to import into a target, until it is given back.
#[derive(Debug)]
pub struct Hold {
    name: String,
    holder: Holder,
}

/// Takes the right to import, if nobody has it, or whoever has it is dead. `seen` is what [`look`] saw before the plan was made.
/// `break_lock` counts everybody as dead.
pub async fn take(
    workspace: &Workspace,
    seen: &Sight,
    claimant: &Claimant,
    timing: &Timing,
    break_lock: bool,
) -> Result<Hold, TakeError> {
    make_folder(workspace).await?;
    let before = chain(workspace).await?.pop().map(|(_, holder)| holder);
    if let Some(holder) = &before
        && !break_lock
    {
        dead(workspace, holder, claimant, timing).await?;
    }
    let hold = Hold::create(workspace, before.as_ref(), claimant).await?;
    let overtaken = small(workspace, LAST).await? != seen.last || token(before.as_ref()) != token(seen.holder.as_ref());
    if overtaken {
        hold.release(workspace, false).await?;
        return Err(TakeError::Overtaken);
    }
    Ok(hold)
}

/// Gives back what [`take`] may have got before it was stopped in the middle.
pub async fn withdraw(workspace: &Workspace, claimant: &Claimant) -> Result<(), ApiError> {
    let holder = Holder { token: claimant.token.clone(), ..Holder::default() };
    Hold { name: String::new(), holder }.release(workspace, false).await
}

fn token(holder: Option<&Holder>) -> Option<&str> {
    holder.map(|holder| holder.token.as_str())
}

/// Whether a holder is dead. Clocks of two machines may differ: one that seems to be silent is watched for a while.
async fn dead(workspace: &Workspace, holder: &Holder, claimant: &Claimant, timing: &Timing) -> Result<(), TakeError> {
    if is_own_dead(holder, claimant) {
        return Ok(());
    }
    if holder.silent() >= timing.silent {
        tokio::time::sleep(timing.beat + timing.beat / 2).await;
        if chain(workspace).await?.last().is_some_and(|(_, now)| now == holder) {
            return Ok(());
        }
    }
    Err(TakeError::Busy(Box::new(holder.clone())))
}

impl Hold {
    async fn create(workspace: &Workspace, over: Option<&Holder>, claimant: &Claimant) -> Result<Self, TakeError> {
        let name = over.map_or_else(|| LOCK.to_owned(), |over| format!("{LOCK}-{}", over.token));
        let now = Some(Timestamp::now());
        let Claimant { token, owner, host, state, .. } = claimant.clone();
        let holder = Holder { token, owner, host, state, began: now, renewed: now };
        let created = put(workspace, &name, &holder.bytes(), false).await?;
        let mut last = chain(workspace).await?.pop();
        for moments in 1..=MOMENTS {
            if last.is_none() && over.is_none() && created {
                tokio::time::sleep(MOMENT * moments).await;
                last = chain(workspace).await?.pop();
            }
        }
        let hold = Self { name, holder };
        match last {
            Some((_, last)) if last.token == hold.holder.token => Ok(hold),
            None if over.is_none() && created => Err(TakeError::Unseen),
            last => {
                // What we took over from is gone, or was followed by somebody else.
                if created {
                    remove(workspace, &hold.name).await?;
                }
                Err(last.map_or(TakeError::Overtaken, |(_, last)| TakeError::Busy(Box::new(last))))
            }
        }
    }

    /// A sign of life. Answers whether we still hold it.
    pub async fn renew(&mut self, workspace: &Workspace) -> Result<bool, ApiError> {
        if !self.is_ours(workspace).await? {
            return Ok(false);
        }
        self.holder.renewed = Some(Timestamp::now());
        put(workspace, &self.name, &self.holder.bytes(), true).await
    }

    async fn is_ours(&self, workspace: &Workspace) -> Result<bool, ApiError> {
        Ok(chain(workspace).await?.last().is_some_and(|(_, last)| last.token == self.holder.token))
    }

    /// Gives it back, and leaves word if anything may have been `written`: a plan that was made before is not carried out any
    /// more. The first of the chain goes first: what followed it then leads nowhere.
    pub async fn release(&self, workspace: &Workspace, written: bool) -> Result<(), ApiError> {
        let chain = chain(workspace).await?;
        if chain.last().is_none_or(|(_, last)| last.token != self.holder.token) {
            return Ok(());
        }
        if written {
            put(workspace, LAST, &self.holder.bytes(), true).await?;
        }
        for (name, _) in &chain {
            remove(workspace, name).await?;
        }
        Ok(())
    }
}

impl TakeError {
    /// Whether the workspace does not let us keep a lock at all, which is no reason not to restore.
    pub fn is_unsupported(&self) -> bool {
        let Self::Api(error) = self else { return matches!(self, Self::Unseen) };
        matches!(error.kind, ErrorKind::Denied | ErrorKind::Unavailable | ErrorKind::Invalid | ErrorKind::NotFound)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nonsense_is_a_holder_whose_name_makes_no_path() {
        for bytes in [&b"{\"token\": \"../../x\"}"[..], b"", b"[]", &[0xff; 20], &vec![b'x'; LARGEST + 1]] {
            let holder = Holder::read(bytes);
            assert!(holder.token.len() == 32 && holder.token.bytes().all(|byte| byte.is_ascii_hexdigit()));
            assert_eq!(holder.silent(), Duration::ZERO, "only `--break-lock` helps against it");
        }
    }

    #[test]
    fn a_name_is_one_line() {
        let holder = Holder { owner: "a\u{1b}[2J\nb".into(), host: "h".repeat(500), ..Holder::default() };
        assert!(!holder.to_string().contains(['\n', '\u{1b}']) && holder.to_string().len() < 200);
    }
}
