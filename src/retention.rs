//! Which bundles to keep: a pure decision over what is known of each, in the words that users of restic know.
//!
//! Of each workspace, newest first, the newest bundle of each day (week, month, year, in UTC) is kept until so many are. On top of
//! that, whatever the policy says: the newest bundle, the newest complete one and the newest verified one stay; so does what is
//! dated in the future, since a clock was wrong somewhere; and where the bundle that would stand for a day was never verified, it
//! does not push out one of that day that was.

use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use std::collections::{BTreeMap, HashMap};

/// What is known of one bundle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Where it lies; only told, never looked at.
    pub name: String,
    /// The workspace that it is of. Each is decided by itself.
    pub workspace: String,
    /// When its export began.
    pub created: Timestamp,
    /// Whether nothing is missing in it.
    pub complete: bool,
    /// Whether it was read back and found whole.
    pub verified: bool,
    /// The store refuses to delete it before this time.
    pub locked_until: Option<Timestamp>,
}

/// How many to keep of each sort; nothing of a sort that is zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// The newest ones, however close together.
    pub last: u32,
    /// The newest of a day, for so many days that have one.
    pub daily: u32,
    /// The same for ISO weeks.
    pub weekly: u32,
    /// The same for months.
    pub monthly: u32,
    /// The same for years.
    pub yearly: u32,
    /// All that were made in so long a time before the newest, the newest being one of them: where no bundles are made any more, none
    /// goes for its age.
    pub within: Option<SignedDuration>,
}

impl Policy {
    /// Whether it keeps nothing by itself: then it is no policy, but a slip.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Why a bundle is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// The newest of its workspace.
    Newest,
    /// The newest one in which nothing is missing.
    NewestComplete,
    /// The newest one that was found whole.
    NewestVerified,
    /// It is dated in the future.
    Future,
    /// The store refuses to delete it yet.
    Locked,
    /// `last`.
    Last,
    /// `within`.
    Within,
    /// `daily`.
    Daily,
    /// `weekly`.
    Weekly,
    /// `monthly`.
    Monthly,
    /// `yearly`.
    Yearly,
    /// It is the newest verified one of a time for which a newer, unverified one is kept.
    OnlyVerified,
}

impl Reason {
    /// As people read it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Newest => "newest",
            Self::NewestComplete => "newest complete",
            Self::NewestVerified => "newest verified",
            Self::Future => "dated in the future",
            Self::Locked => "locked by the store",
            Self::Last => "last",
            Self::Within => "within",
            Self::Daily => "daily",
            Self::Weekly => "weekly",
            Self::Monthly => "monthly",
            Self::Yearly => "yearly",
            Self::OnlyVerified => "verified, the newer one is not",
        }
    }
}

/// A bundle, and why it is kept; without a reason it may go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// The bundle.
    pub bundle: Candidate,
    /// Ascending, each once.
    pub reasons: Vec<Reason>,
}

impl Decision {
    /// Whether it may go.
    pub fn goes(&self) -> bool {
        self.reasons.is_empty()
    }
}

/// Decides for each bundle. The answer is by workspace, newest first.
pub fn decide(policy: &Policy, bundles: Vec<Candidate>, now: Timestamp) -> Vec<Decision> {
    let mut by_workspace: BTreeMap<String, Vec<Candidate>> = BTreeMap::new();
    for bundle in bundles {
        by_workspace.entry(bundle.workspace.clone()).or_default().push(bundle);
    }
    by_workspace.into_values().flat_map(|bundles| of_workspace(policy, bundles, now)).collect()
}

fn of_workspace(policy: &Policy, mut bundles: Vec<Candidate>, now: Timestamp) -> Vec<Decision> {
    bundles.sort_by(|a, b| (b.created, &b.name).cmp(&(a.created, &a.name)));
    let mut all: Vec<Decision> = bundles.into_iter().map(|bundle| Decision { bundle, reasons: Vec::new() }).collect();
    by_themselves(policy, &mut all, now);
    first(&mut all, Reason::Newest, |bundle| bundle.created <= now);
    first(&mut all, Reason::NewestComplete, |bundle| bundle.created <= now && bundle.complete);
    first(&mut all, Reason::NewestVerified, |bundle| bundle.created <= now && bundle.verified);
    for (count, reason, slot) in slots(policy) {
        fill(&mut all, now, count, reason, slot);
    }
    for decision in &mut all {
        decision.reasons.sort_unstable();
        decision.reasons.dedup();
    }
    all
}

/// What a bundle is kept for without a look at the others, but for the time of the newest.
fn by_themselves(policy: &Policy, all: &mut [Decision], now: Timestamp) {
    let newest = all.iter().map(|one| one.bundle.created).find(|created| *created <= now).unwrap_or(now);
    for Decision { bundle, reasons } in all {
        let young = policy.within.is_some_and(|within| newest.duration_since(bundle.created) < within);
        let holds = [
            (Reason::Future, bundle.created > now),
            (Reason::Locked, bundle.locked_until.is_some_and(|until| until > now)),
            (Reason::Within, young && bundle.created <= now),
        ];
        reasons.extend(holds.into_iter().filter_map(|(reason, holds)| holds.then_some(reason)));
    }
}

fn first(all: &mut [Decision], reason: Reason, holds: impl Fn(&Candidate) -> bool) {
    if let Some(decision) = all.iter_mut().find(|decision| holds(&decision.bundle)) {
        decision.reasons.push(reason);
    }
}

/// A stretch of time that one bundle stands for.
type Slot = fn(&Candidate, usize) -> String;

fn slots(policy: &Policy) -> [(u32, Reason, Slot); 5] {
    [
        (policy.last, Reason::Last, |_, index| index.to_string()),
        (policy.daily, Reason::Daily, |bundle, _| stamp(bundle, "%Y-%m-%d")),
        (policy.weekly, Reason::Weekly, |bundle, _| stamp(bundle, "%G-W%V")),
        (policy.monthly, Reason::Monthly, |bundle, _| stamp(bundle, "%Y-%m")),
        (policy.yearly, Reason::Yearly, |bundle, _| stamp(bundle, "%Y")),
    ]
}

fn stamp(bundle: &Candidate, format: &str) -> String {
    bundle.created.to_zoned(TimeZone::UTC).strftime(format).to_string()
}

/// Keeps the newest of each slot until so many are kept. What lies in the future fills none. As in restic, the oldest bundle is
/// kept too while slots are left, so that a young store does not lose its beginning.
fn fill(all: &mut [Decision], now: Timestamp, count: u32, reason: Reason, slot: Slot) {
    let mut kept: HashMap<String, bool> = HashMap::new();
    let room = usize::try_from(count).unwrap_or(usize::MAX);
    let past = all.iter_mut().filter(|decision| decision.bundle.created <= now).enumerate();
    let mut oldest = None;
    for (index, Decision { bundle, reasons }) in past {
        let (slot, is_room) = (slot(bundle, index), kept.len() < room);
        match kept.get_mut(&slot) {
            None if is_room => {
                reasons.push(reason);
                kept.insert(slot, bundle.verified);
            }
            Some(verified) if !*verified && bundle.verified => {
                reasons.push(Reason::OnlyVerified);
                *verified = true;
            }
            _ => {}
        }
        oldest = Some(reasons);
    }
    if let Some(reasons) = oldest.filter(|_| count > 0 && kept.len() < room) {
        reasons.push(reason);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(time: &str) -> Timestamp {
        format!("{time}:00Z").parse().unwrap()
    }

    fn bundle(time: &str) -> Candidate {
        let (name, workspace) = (time.to_owned(), "w".to_owned());
        Candidate { name, workspace, created: at(time), complete: true, verified: true, locked_until: None }
    }

    fn kept(policy: &Policy, bundles: &[Candidate], now: &str) -> Vec<String> {
        let decisions = decide(policy, bundles.to_vec(), at(now));
        assert_eq!(decisions.len(), bundles.len());
        decisions.into_iter().filter(|one| !one.goes()).map(|one| one.bundle.name).collect()
    }

    #[test]
    fn the_newest_of_each_day_week_month_and_year() {
        let times = [
            "2024-12-30T02:00",
            "2025-11-30T02:00",
            "2026-10-31T02:00",
            "2026-11-22T02:00",
            "2026-11-23T02:00",
            "2026-11-25T02:00",
            "2026-11-26T02:00",
            "2026-11-26T14:00",
        ];
        let bundles = times.map(bundle);
        let now = "2026-11-26T15:00";
        let policy = |daily, weekly, monthly, yearly| Policy { daily, weekly, monthly, yearly, ..Policy::default() };
        assert_eq!(kept(&policy(2, 0, 0, 0), &bundles, now), [times[7], times[5]]);
        assert_eq!(kept(&policy(0, 2, 0, 0), &bundles, now), [times[7], times[3]], "the 22nd is a Sunday");
        assert_eq!(kept(&policy(0, 0, 2, 0), &bundles, now), [times[7], times[2]]);
        assert_eq!(kept(&policy(0, 0, 0, 2), &bundles, now), [times[7], times[1]]);
        assert_eq!(kept(&policy(0, 0, 0, 9), &bundles, now), [times[7], times[1], times[0]]);
        assert_eq!(kept(&Policy { last: 3, ..Policy::default() }, &bundles, now), [times[7], times[6], times[5]]);
        let within = Some(SignedDuration::from_hours(48));
        for now in [now, "2027-01-01T00:00"] {
            assert_eq!(kept(&Policy { within, ..Policy::default() }, &bundles, now), [times[7], times[6], times[5]]);
        }
    }

    #[test]
    fn the_oldest_stays_while_there_is_room() {
        let bundles = ["2026-11-26T01:00", "2026-11-26T02:00", "2026-11-26T03:00"].map(bundle);
        let policy = Policy { daily: 7, ..Policy::default() };
        assert_eq!(kept(&policy, &bundles, "2026-11-26T15:00"), ["2026-11-26T03:00", "2026-11-26T01:00"]);
    }

    #[test]
    fn an_unverified_bundle_pushes_out_no_verified_one() {
        let mut bundles = ["2026-11-25T02:00", "2026-11-26T01:00", "2026-11-26T02:00", "2026-11-26T03:00"].map(bundle);
        bundles[3].verified = false;
        let policy = Policy { daily: 1, ..Policy::default() };
        assert_eq!(kept(&policy, &bundles, "2026-11-26T15:00"), ["2026-11-26T03:00", "2026-11-26T02:00"]);
    }

    #[test]
    fn the_last_good_bundle_stays_whatever_came_after_it() {
        let mut bundles = ["2026-01-01T02:00", "2026-02-01T02:00", "2026-03-01T02:00", "2026-11-26T03:00"].map(bundle);
        for bundle in &mut bundles[2..] {
            bundle.complete = false;
        }
        for bundle in &mut bundles[1..] {
            bundle.verified = false;
        }
        let policy = Policy { last: 1, ..Policy::default() };
        let stays = ["2026-11-26T03:00", "2026-02-01T02:00", "2026-01-01T02:00"];
        assert_eq!(kept(&policy, &bundles, "2026-11-26T15:00"), stays);
    }

    #[test]
    fn what_is_locked_or_dated_in_the_future_stays_and_fills_no_slot() {
        let mut bundles = ["2026-11-24T02:00", "2026-11-25T02:00", "2026-11-26T02:00", "2027-11-26T02:00"].map(bundle);
        bundles[0].locked_until = Some(at("2026-12-01T00:00"));
        bundles[1].locked_until = Some(at("2026-11-26T00:00"));
        let decisions = decide(&Policy { daily: 1, ..Policy::default() }, bundles.to_vec(), at("2026-11-26T15:00"));
        let reasons: Vec<&[Reason]> = decisions.iter().map(|one| &*one.reasons).collect();
        let newest = [Reason::Newest, Reason::NewestComplete, Reason::NewestVerified, Reason::Daily];
        assert_eq!(reasons, [&[Reason::Future][..], &newest, &[], &[Reason::Locked]]);
    }

    #[test]
    fn each_workspace_is_decided_by_itself() {
        let mut bundles = ["2026-11-25T02:00", "2026-11-26T02:00"].map(bundle);
        bundles[0].workspace = "other".to_owned();
        assert_eq!(kept(&Policy { last: 1, ..Policy::default() }, &bundles, "2026-11-26T15:00").len(), 2);
    }

    /// What restic answered when it was asked about 400 nights (`tests/interop/retention.py` makes the file, and asks again).
    #[derive(serde::Deserialize)]
    struct Restic {
        times: Vec<Timestamp>,
        answers: Vec<Answer>,
    }

    #[derive(serde::Deserialize)]
    struct Answer {
        policy: HashMap<String, serde_json::Value>,
        kept: Vec<usize>,
    }

    #[test]
    fn of_400_nights_exactly_those_stay_that_restic_keeps() {
        let restic: Restic = serde_json::from_str(include_str!("../fixtures/retention.json")).unwrap();
        assert_eq!((restic.times.len(), restic.answers.len()), (400, 17));
        let verified = |verified| {
            let one = |(number, created): (usize, &Timestamp)| Candidate {
                name: number.to_string(),
                workspace: "w".to_owned(),
                created: *created,
                complete: true,
                verified,
                locked_until: None,
            };
            restic.times.iter().enumerate().map(one).collect::<Vec<_>>()
        };
        for Answer { policy, kept } in &restic.answers {
            let count = |name: &str| policy.get(name).map_or(0, |count| u32::try_from(count.as_u64().unwrap()).unwrap());
            let within = policy.get("within").map(|text| crate::backup::duration(text.as_str().unwrap()).unwrap());
            let ours = Policy {
                last: count("last"),
                daily: count("daily"),
                weekly: count("weekly"),
                monthly: count("monthly"),
                yearly: count("yearly"),
                within,
            };
            // Whether none was verified or all were makes no difference to the policy.
            for bundles in [verified(false), verified(true)] {
                let decided = decide(&ours, bundles, at("2026-11-26T15:00"));
                let stays = decided.iter().filter(|one| !one.goes()).map(|one| one.bundle.name.parse::<usize>().unwrap());
                assert_eq!(stays.collect::<std::collections::BTreeSet<_>>(), kept.iter().copied().collect(), "{policy:?}");
            }
        }
    }

    fn candidates() -> impl Strategy<Value = Vec<Candidate>> {
        let one = (0i64..40_000, any::<bool>(), any::<bool>()).prop_map(|(hours, complete, verified)| Candidate {
            name: hours.to_string(),
            workspace: "w".to_owned(),
            created: Timestamp::from_second(1_700_000_000 + hours * 3600).unwrap(),
            complete,
            verified,
            locked_until: None,
        });
        proptest::collection::vec(one, 0..40)
    }

    proptest! {
        /// Deciding anew over what was kept, at the same time, lets nothing more go; and what a later night adds does not bring
        /// the last good bundle into danger.
        #[test]
        fn to_decide_twice_is_to_decide_once(bundles in candidates(), last in 0u32..3, daily in 0u32..4, weekly in 0u32..4, yearly in 0u32..3) {
            let policy = Policy { last, daily, weekly, yearly, ..Policy::default() };
            let now = Timestamp::from_second(1_700_000_000 + 30_000 * 3600).unwrap();
            let stays = |bundles: Vec<Candidate>| -> Vec<Candidate> {
                decide(&policy, bundles, now).into_iter().filter(|one| !one.goes()).map(|one| one.bundle).collect()
            };
            let once = stays(bundles.clone());
            prop_assert_eq!(stays(once.clone()), once.clone());
            let good = |all: &[Candidate]| all.iter().filter(|one| one.complete && one.created <= now).map(|one| one.created).max();
            prop_assert_eq!(good(&once), good(&bundles));
        }
    }
}
