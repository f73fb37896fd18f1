//! `/api/2.0/repos` and `/api/2.0/git-credentials`: a clone gets a few files, so that there is something to walk past.

use super::call::{Answer, Call, Fields, Problem, Reply};
use super::paths;
use super::tree::{Node, tree_path};
use super::world::{World, page_of, page_reply};
use serde_json::{Map, Value, json};
use xxhash_rust::xxh64::xxh64;

const PROVIDERS: &[&str] = &[
    "gitHub",
    "gitHubEnterprise",
    "gitLab",
    "gitLabEnterpriseEdition",
    "bitbucketCloud",
    "bitbucketServer",
    "azureDevOpsServices",
    "azureDevOpsServicesAad",
    "awsCodeCommit",
];

pub(super) fn answer(world: &mut World, call: &Call, id: Option<&str>) -> Answer {
    let number = id.map(|id| id.parse::<i64>().map_err(|_| Problem::invalid(format!("{id} is not a repo id")))).transpose()?;
    match (call.method.as_str(), number) {
        ("GET", None) => list(world, call),
        ("POST", None) => create(world, call),
        ("GET", Some(id)) => Reply::json(Value::Object(find(world, id)?.clone())),
        ("PATCH", Some(id)) => update(world, call, id),
        ("DELETE", Some(id)) => {
            let path = find(world, id)?.text("path").unwrap_or_default().to_owned();
            for gone in world.tree.below(&path).into_iter().chain([path]) {
                super::workspace::remove(world, &gone);
            }
            Reply::done()
        }
        _ => Err(Problem::no_endpoint(call)),
    }
}

fn find(world: &World, id: i64) -> Result<&Map<String, Value>, Problem> {
    world.repos.get(&id).ok_or_else(|| Problem::missing(format!("Repo {id} could not be found.")))
}

/// Only classic Git folders, and only those under `/Repos` unless another prefix is given.
fn list(world: &World, call: &Call) -> Answer {
    let prefix = tree_path(call.query("path_prefix").unwrap_or("/Repos"))?;
    let under = |repo: &Map<String, Value>| prefix == "/" || repo.text("path").is_some_and(|path| path.starts_with(&prefix));
    let classic = world.repos.values().filter(|repo| !repo.yes("git_cli_enabled") && under(repo));
    let all: Vec<_> = classic.cloned().map(Value::Object).collect();
    // The query parameter is called like the field of the answer here.
    let page = page_of(&all, call.query("next_page_token"), world.page(None, 20, 20))?;
    Reply::json(Value::Object(page_reply("repos", page)))
}

fn create(world: &mut World, call: &Call) -> Answer {
    let body = call.json()?;
    let (url, provider) = (body.need("url")?.to_owned(), body.need("provider")?);
    let known = PROVIDERS.iter().find(|known| known.eq_ignore_ascii_case(provider));
    let provider = known.ok_or_else(|| Problem::invalid(format!("Unknown Git provider {provider}")))?;
    let name = paths::name(url.trim_end_matches('/')).trim_end_matches(".git").to_owned();
    let path = match body.text("path") {
        Some(path) => tree_path(path)?,
        None => format!("/Repos/{}/{name}", call.caller),
    };
    check_path(world, &path)?;
    let id = world.number();
    let mut repo = Map::new();
    for (key, value) in
        [("id", json!(id)), ("path", json!(path)), ("url", json!(url)), ("provider", json!(provider)), ("branch", json!("main"))]
    {
        repo.insert(key.to_owned(), value);
    }
    repo.insert("head_commit_id".into(), json!(commit(&url, "main")));
    if let Some(sparse) = body.get("sparse_checkout") {
        repo.insert("sparse_checkout".into(), sparse.clone());
    }
    world.add_node(&path, Node { id, kind: "REPO".into(), ..Node::default() });
    add_files(world, &path, &name);
    let answer = Value::Object(repo.clone());
    world.repos.insert(id, repo);
    Reply::json(answer)
}

fn check_path(world: &World, path: &str) -> Result<(), Problem> {
    if path.starts_with("/Repos/") && path.matches('/').count() != 3 {
        return Err(Problem::invalid(format!("The path {path} must be of the form /Repos/{{folder}}/{{repo-name}}")));
    }
    if world.tree.get(path).is_some() {
        return Err(Problem::exists(format!("Path {path} already exists.")));
    }
    let parent = paths::parent(path);
    if world.tree.is_folder(parent) {
        Ok(())
    } else {
        Err(Problem::missing(format!("Parent directory {parent} does not exist.")))
    }
}

/// What the pretended remote holds.
pub(super) fn add_files(world: &mut World, path: &str, name: &str) {
    let file = |text: String| Node { kind: "FILE".into(), body: text.into_bytes().into(), ..Node::default() };
    world.add_node(&format!("{path}/README.md"), file(format!("# {name}\n")));
    world.make_folder(&format!("{path}/src"));
    world.add_node(&format!("{path}/src/main.py"), file("print('from git')\n".to_owned()));
    let body = super::content::kept_source("print('a notebook from git')", "PYTHON").into_bytes().into();
    let notebook = Node { kind: "NOTEBOOK".into(), language: Some("PYTHON".into()), body, ..Node::default() };
    world.add_node(&format!("{path}/src/explore"), notebook);
}

/// A commit id that follows from address and branch.
pub(super) fn commit(url: &str, branch: &str) -> String {
    let part = |number| format!("{:016x}", xxh64(format!("{url}@{branch}").as_bytes(), number));
    [part(0), part(1), part(2)].concat()[..40].to_owned()
}

fn update(world: &mut World, call: &Call, id: i64) -> Answer {
    let body = call.json()?;
    find(world, id)?;
    let Some(repo) = world.repos.get_mut(&id) else { return Reply::done() };
    let url = repo.text("url").unwrap_or_default().to_owned();
    match (body.text("branch"), body.text("tag")) {
        (Some(_), Some(_)) => return Err(Problem::invalid("Only one of branch and tag can be given")),
        (Some(branch), None) => {
            repo.insert("branch".into(), json!(branch));
            repo.insert("head_commit_id".into(), json!(commit(&url, branch)));
        }
        (None, Some(tag)) => {
            // A tag leaves no branch behind.
            repo.remove("branch");
            repo.insert("head_commit_id".into(), json!(commit(&url, tag)));
        }
        (None, None) => {}
    }
    if let Some(sparse) = body.get("sparse_checkout") {
        if !repo.contains_key("sparse_checkout") {
            return Err(Problem::invalid("Sparse checkout cannot be switched on after the creation of a repo"));
        }
        repo.insert("sparse_checkout".into(), sparse.clone());
    }
    Reply::json(Value::Object(repo.clone()))
}

/// Tokens go in and never come out.
pub(super) fn credentials(world: &mut World, call: &Call, id: Option<&str>) -> Answer {
    let own = |one: &Value| id.is_some_and(|id| one["credential_id"].as_i64() == id.parse().ok());
    let missing = || Problem::missing("Git credential does not exist.");
    match (call.method.as_str(), id) {
        ("GET", None) => Reply::list("credentials", world.git_credentials.clone()),
        ("GET", Some(_)) => {
            world.git_credentials.iter().find(|one| own(one)).cloned().map_or_else(|| Err(missing()), Reply::json)
        }
        ("POST", None) => {
            let body = call.json()?;
            let mut credential = json!({ "credential_id": world.number(), "git_provider": body.need("git_provider")? });
            for key in ["git_username", "git_email", "name", "is_default_for_provider"] {
                if let Some(value) = body.get(key) {
                    credential[key] = value.clone();
                }
            }
            world.git_credentials.push(credential.clone());
            Reply::json(credential)
        }
        ("DELETE", Some(_)) => {
            let before = world.git_credentials.len();
            world.git_credentials.retain(|one| !own(one));
            if world.git_credentials.len() == before { Err(missing()) } else { Reply::done() }
        }
        _ => Err(Problem::no_endpoint(call)),
    }
}
