//! A workspace of any size that follows from a number: folders, notebooks, jobs, and a few people.

use super::body::Body;
use super::scim::{Kind, Principal};
use super::tree::Node;
use super::world::{Job, World, merge};
use serde_json::{Map, json};
use std::fmt::Write as _;
use xxhash_rust::xxh64::xxh64;

const LANGUAGES: [&str; 4] = ["PYTHON", "SQL", "SCALA", "R"];
const DEEP: u64 = 6;

pub(super) fn fill(world: &mut World, notebooks: u64, folders: u64, jobs: u64, seed: u64) {
    let people = (folders / 100).clamp(1, 50);
    for number in 0..people {
        let user_name = format!("person{number:03}@generated.example");
        world.add_principal(Principal { user_name, display_name: format!("Person {number:03}"), ..Principal::of(Kind::User) });
    }
    let folders = make_folders(world, folders, people, seed);
    let notebooks: Vec<_> = (0..notebooks).map(|number| make_notebook(world, &folders, number, seed)).collect();
    for number in 0..jobs {
        make_job(world, &notebooks, number, seed);
    }
}

fn pick(seed: u64, salt: u64, number: u64, among: u64) -> u64 {
    xxh64(&[salt.to_le_bytes(), number.to_le_bytes()].concat(), seed) % among.max(1)
}

/// Each folder lies in a home, in `/Shared`, or in an earlier folder that is not too deep yet.
fn make_folders(world: &mut World, count: u64, people: u64, seed: u64) -> Vec<String> {
    let mut paths: Vec<String> = (0..people).map(|number| format!("/Users/person{number:03}@generated.example")).collect();
    paths.push("/Shared".to_owned());
    let roots = paths.len();
    for number in 0..count {
        let at = usize::try_from(pick(seed, 1, number, paths.len() as u64)).unwrap_or(0);
        let deep = paths[at].matches('/').count() as u64 >= DEEP;
        let parent = &paths[if deep { at % roots } else { at }];
        let path = format!("{parent}/folder {number:05}");
        world.add_node(&path, Node { kind: "DIRECTORY".into(), ..Node::default() });
        paths.push(path);
    }
    paths
}

fn make_notebook(world: &mut World, folders: &[String], number: u64, seed: u64) -> String {
    let at = usize::try_from(pick(seed, 2, number, folders.len() as u64)).unwrap_or(0);
    let path = format!("{}/notebook {number:06}", folders[at]);
    let body = Body::Generated(seed.wrapping_mul(1 << 32).wrapping_add(number));
    let language = Some(language(number).to_owned());
    world.add_node(&path, Node { kind: "NOTEBOOK".into(), language, body, ..Node::default() });
    path
}

fn language(number: u64) -> &'static str {
    LANGUAGES[usize::try_from(number % 4).unwrap_or(0)]
}

/// The source of a generated notebook: one to two kilobytes, different for each number.
pub(super) fn notebook(number: u64) -> Vec<u8> {
    let language = language(number);
    let sign = super::content::comment(language);
    let mut text = format!("{}\n", super::content::header(language));
    for cell in 0..8 + number % 8 {
        if cell > 0 {
            let _ = write!(text, "\n\n{sign} COMMAND ----------\n\n");
        }
        let salt = xxh64(&cell.to_le_bytes(), number);
        let _ = write!(text, "{sign} step {cell} of notebook {number}: {salt:016x}\nselect_{cell} = {salt} + {number}");
    }
    text.into_bytes()
}

fn make_job(world: &mut World, notebooks: &[String], number: u64, seed: u64) {
    let at = usize::try_from(pick(seed, 3, number, notebooks.len() as u64)).unwrap_or(0);
    let notebook = notebooks.get(at).map_or("/Shared/none", String::as_str);
    let mut settings = Map::new();
    let cluster = json!({ "spark_version": "15.4.x-scala2.12", "node_type_id": "Standard_DS3_v2", "num_workers": number % 8 });
    merge(
        &mut settings,
        json!({
            "name": format!("job {number:05}"),
            "tasks": [{ "task_key": "main", "notebook_task": { "notebook_path": notebook, "source": "WORKSPACE" }, "job_cluster_key": "small" }],
            "job_clusters": [{ "job_cluster_key": "small", "new_cluster": cluster }],
            "email_notifications": {}, "webhook_notifications": {}, "timeout_seconds": 0, "max_concurrent_runs": 1, "format": "MULTI_TASK",
            "schedule": { "quartz_cron_expression": "0 0 2 * * ?", "timezone_id": "UTC", "pause_status": "UNPAUSED" },
        }),
    );
    let (id, created) = (world.number(), world.now());
    let creator = world.admin.clone();
    world.jobs.insert(id, Job { creator, created, settings });
}
