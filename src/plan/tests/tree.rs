//! Folders, notebooks, files, Git folders.

use super::{Case, acl, body, content, folder, hanging, object};
use crate::plan::{Action, What};
use serde_json::json;

fn notebook(path: &str, text: &str) -> crate::object::Object {
    content("notebook", path, text.as_bytes(), &json!({"language": "PYTHON", "format": "SOURCE", "object_id": 7}))
}

#[test]
fn near_namesakes_are_three_objects() {
    let case = Case {
        bundle: vec![
            folder("directory", "/x"),
            notebook("/x/A", "1"),
            content("file", "/x/A.py", b"2", &json!({})),
            notebook("/x/a", "3"),
        ],
        ..Case::default()
    };
    let plan = case.plan();
    assert_eq!(plan.writes(), 4);
    let needs = &plan.of("file", "/x/A.py").needs;
    assert_eq!(plan.steps[needs[0]].key, "/x");
}

#[test]
fn same_bytes_are_left_alone_and_others_written_over() {
    let case = |text: &str| Case { bundle: vec![notebook("/a", "1")], target: vec![notebook("/a", text)], ..Case::default() };
    assert_eq!(case("1").plan().writes(), 0);
    assert!(matches!(case("2").plan().of("notebook", "/a").action, Action::Content { overwrite: true, .. }));
    let blocked = Case { bundle: vec![notebook("/a", "1")], target: vec![folder("directory", "/a")], ..Case::default() }.plan();
    assert!(matches!(&blocked.of("notebook", "/a").action, Action::Skip { reason } if reason.contains("directory")));
}

#[test]
fn homes_come_with_their_people() {
    let home = |owner: &str| format!("/Users/{owner}");
    let bundle = vec![
        object("user", "1", json!({"userName": "ada@x.com"})),
        folder("directory", "/Users"),
        folder("directory", &home("ada@x.com")),
        folder("directory", &home("gone@x.com")),
        folder("directory", "/Users/gone@x.com/deep"),
        notebook("/Users/ada@x.com/a", "1"),
        notebook("/Users/gone@x.com/deep/b", "1"),
    ];
    let plan = Case { bundle, ..Case::default() }.plan();
    let ada = plan.of("directory", "/Users/ada@x.com");
    assert_eq!(ada.action, Action::Home);
    assert_eq!(plan.steps[ada.needs[0]].source.kind, "user");
    assert!(matches!(plan.of("notebook", "/Users/ada@x.com/a").action, Action::Content { .. }));
    for (kind, path) in
        [("directory", "/Users/gone@x.com"), ("directory", "/Users/gone@x.com/deep"), ("notebook", "/Users/gone@x.com/deep/b")]
    {
        assert!(matches!(&plan.of(kind, path).action, Action::Skip { reason } if reason.contains("home of")), "{path}");
    }
    assert!(plan.todos.iter().any(|todo| todo.what == What::Principal && todo.objects.len() == 3));
    assert!(!plan.of("directory", "/Users").action.writes());
}

#[test]
fn folders_that_were_not_asked_for_are_made_all_the_same() {
    let case = Case {
        bundle: vec![notebook("/Shared/a/b/n", "1"), notebook("/Shared/a/m", "1")],
        target: vec![folder("directory", "/Shared")],
        ..Case::default()
    };
    let plan = case.plan();
    let implied: Vec<_> = plan.steps.iter().filter(|step| step.implied).map(|step| step.key.as_str()).collect();
    assert_eq!(implied, ["/Shared/a", "/Shared/a/b"]);
    let needs = |path: &str| plan.of("notebook", path).needs.iter().map(|one| plan.steps[*one].key.as_str()).collect::<Vec<_>>();
    assert_eq!((needs("/Shared/a/b/n"), needs("/Shared/a/m")), (vec!["/Shared/a/b"], vec!["/Shared/a"]));
}

#[test]
fn the_inside_of_repos_belongs_to_git() {
    let bundle = vec![
        folder("directory", "/Repos/team"),
        folder("directory", "/Repos/team/x/src"),
        object(
            "repo",
            "/Repos/team/x",
            json!({"url": "https://g/x", "provider": "gitHub", "branch": "dev", "head_commit_id": "c"}),
        ),
    ];
    let plan = Case { bundle, ..Case::default() }.plan();
    assert_eq!(plan.of("directory", "/Repos/team").action, Action::Folder);
    assert!(matches!(plan.of("directory", "/Repos/team/x/src").action, Action::Skip { .. }));
    assert_eq!(plan.body_of("repo", "/Repos/team/x")["branch"], "dev");
}

#[test]
fn a_git_folder_is_compared_by_address_and_branch() {
    let repo =
        |url: &str, branch: &str| object("repo", "/r", json!({"id": 5, "url": url, "provider": "gitHub", "branch": branch}));
    let case = |url: &str, branch: &str| {
        Case { bundle: vec![repo("https://g/x.git", "dev")], target: vec![repo(url, branch)], ..Case::default() }.plan()
    };
    assert_eq!(case("https://g/x", "dev").writes(), 0);
    assert_eq!(body(case("https://g/x", "main").of("repo", "/r")), json!({"branch": "dev"}));
    assert!(matches!(case("https://g/y", "dev").of("repo", "/r").action, Action::Skip { .. }));
}

#[test]
fn permissions_of_folders_go_from_the_top_down() {
    let right = || acl(&[("user_name", super::ME, "CAN_RUN")]);
    let bundle = vec![
        object("user", "1", json!({"userName": super::ME})),
        folder("directory", "/a"),
        folder("directory", "/a/b"),
        notebook("/a/b/n", "1"),
        folder("directory", "/Shared"),
        hanging("permissions", "notebooks/3", ("notebook", "/a/b/n"), right()),
        hanging("permissions", "directories/1", ("directory", "/a"), right()),
        hanging("permissions", "directories/2", ("directory", "/a/b"), right()),
        hanging("permissions", "directories/9", ("directory", "/Shared"), right()),
    ];
    let plan = Case { bundle, ..Case::default() }.plan();
    let place = |id: &str| plan.steps.iter().position(|step| step.source.id == id).expect("a step");
    assert!(place("directories/1") < place("directories/2") && place("directories/2") < place("notebooks/3"));
    assert!(matches!(plan.of("permissions", "directories/9").action, Action::Unchanged { .. }), "the workspace sets that");
}

#[test]
fn the_right_to_the_own_home_is_not_written_and_guests_are() {
    let bundle = vec![
        object("user", "1", json!({"userName": "ada@x.com"})),
        object("user", "2", json!({"userName": "bob@x.com"})),
        folder("directory", "/Users/ada@x.com"),
        hanging(
            "permissions",
            "directories/1",
            ("directory", "/Users/ada@x.com"),
            acl(&[("user_name", "ada@x.com", "CAN_MANAGE"), ("user_name", "bob@x.com", "CAN_READ")]),
        ),
    ];
    let plan = Case { bundle, ..Case::default() }.plan();
    let step = plan.of("permissions", "directories/1");
    assert_eq!(body(step)["access_control_list"], json!([{"user_name": "bob@x.com", "permission_level": "CAN_READ"}]));
    assert_eq!(
        step.links.iter().map(|link| (link.at.as_str(), link.to.id.as_str())).collect::<Vec<_>>(),
        [("/access_control_list/0/user_name", "2")]
    );
}

#[test]
fn a_home_follows_its_person() {
    let python = |path: &str| {
        object(
            "job",
            "1",
            json!({"settings": {"name": "n", "tasks": [{"task_key": "a", "notebook_task": {"notebook_path": path}}]}}),
        )
    };
    let case = |target: Vec<crate::object::Object>, maps| Case {
        bundle: vec![
            object("user", "1", json!({"userName": "ada@old.com"})),
            folder("directory", "/Users/ada@old.com"),
            folder("directory", "/Users/ada@old.com/deep"),
            notebook("/Users/ada@old.com/deep/n", "1"),
            python("/Workspace/Users/ada@old.com/deep/n"),
        ],
        target,
        maps,
        ..Case::default()
    };
    let there = vec![object("user", "9", json!({"userName": "ada@new.com"})), folder("directory", "/Users/ada@new.com")];
    let plan = case(there, "user: {ada@old.com: ada@new.com}").plan();
    assert!(
        matches!(&plan.of("directory", "/Users/ada@old.com").action, Action::Unchanged { target: Some(one) } if one.id == json!("/Users/ada@new.com"))
    );
    assert_eq!(plan.of("notebook", "/Users/ada@old.com/deep/n").key, "/Users/ada@new.com/deep/n");
    assert_eq!(plan.body_of("job", "1")["tasks"][0]["notebook_task"]["notebook_path"], "/Workspace/Users/ada@new.com/deep/n");
    assert!(plan.steps.iter().all(|step| !step.implied), "{:#?}", plan.steps);
    let again = vec![
        object("user", "9", json!({"userName": "ada@new.com"})),
        folder("directory", "/Users/ada@new.com"),
        folder("directory", "/Users/ada@new.com/deep"),
        notebook("/Users/ada@new.com/deep/n", "1"),
    ];
    let plan = case(again, "user: {ada@old.com: ada@new.com}").plan();
    assert_eq!(plan.writes(), 1, "only the job is new");
}

#[test]
fn a_home_that_is_still_to_come_may_be_spelled_otherwise() {
    let settings = json!({"name": "n", "tasks": [{"task_key": "a", "notebook_task": {"notebook_path": "/Users/Ada@x.com/n"}}]});
    let case = Case {
        bundle: vec![
            object("user", "1", json!({"userName": "Ada@x.com"})),
            folder("directory", "/Users/Ada@x.com"),
            notebook("/Users/Ada@x.com/n", "1"),
            object("job", "1", json!({ "settings": settings })),
        ],
        ..Case::default()
    };
    let plan = case.plan();
    let link = plan.of("job", "1").links.iter().find(|link| link.to.kind == "directory").expect("a link to the home");
    assert_eq!((link.at.as_str(), link.to.id.as_str()), ("/tasks/0/notebook_task/notebook_path", "/Users/Ada@x.com"));
    let home = crate::plan::Found { id: json!("/Users/ada@x.com"), key: String::new(), object_id: None };
    for (text, wanted) in [
        ("/Users/Ada@x.com/n", "/Users/ada@x.com/n"),
        ("/Workspace/Users/Ada@x.com", "/Workspace/Users/ada@x.com"),
        ("/Users/Ada@x.community/n", "/Users/Ada@x.community/n"),
    ] {
        assert_eq!(crate::plan::fill_link(&json!(text), link, &home), json!(wanted));
    }
}
