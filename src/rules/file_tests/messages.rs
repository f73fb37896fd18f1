//! What is said of a rule file that is wrong, word for word.

use super::super::RuleSet;

#[track_caller]
fn says(text: &str, wanted: &str) {
    let said = RuleSet::parse(text).expect_err(text).to_string();
    match wanted.strip_suffix('…') {
        Some(begin) => assert!(said.starts_with(begin), "{text}\n{said}"),
        None => assert_eq!(said, wanted, "{text}"),
    }
}

/// A rule of its own lines.
fn rule(lines: &str) -> String {
    lines.lines().fold("rules:\n  - name: r\n".to_owned(), |text, line| text + "    " + line + "\n")
}

#[test]
fn unknown_words_are_told_with_what_is_known() {
    says(
        "rulez: []\n",
        "line 1, column 1: unknown field `rulez`, expected one of extends, activations, conflicts, maps, inside, stamp, rules",
    );
    says(
        &rule("skp: true"),
        "line 3, column 5: unknown field `skp`, expected one of name, why, for, skip, keep, drop, drop_urls, set, merge, patch, clamp, rename, move, activations, conflicts",
    );
    says("extends: standbi\n", "line 1, column 10: unknown variant `standbi`, expected one of standby, clone, audit-sandbox");
    says(
        &rule("for: {kind: jobs}\nskip: true"),
        "line 3, column 17: unknown kind \"jobs\", expected one of service_principal, user, group, …",
    );
    says(&rule("for:\n  kind: [job, jobz]\nskip: true"), "line 4, column 19: unknown kind \"jobz\", expected one of …");
    says(
        "maps:\n  nod_type: {a: b}\n",
        "line 2, column 3: unknown section \"nod_type\", expected one of accelerator_capacity, …",
    );
    says(
        &rule("patch: [{op: ad, path: /name}]"),
        "line 3, column 18: unknown variant `ad`, expected one of add, remove, replace, move, copy, test",
    );
}

#[test]
fn wrong_words_are_told_where_they_stand() {
    says(&rule("drop: [\"$..[\"]"), "line 3, column 12: cannot read the JSONPath `$..[`: …");
    says(
        &rule("drop: [tags]"),
        "line 3, column 12: expected a pointer such as `/tags/team`, or a JSONPath such as `$..tags`, not `tags`",
    );
    says("rules:\n  - skip: true\n", "line 2, column 5: missing field `name`");
    says(&rule("skip: yes"), "line 3, column 11: invalid boolean (strict mode expects true/false)");
    says(&rule("skip: true\nskip: true"), "line 4, column 5: duplicate mapping key: skip");
    says(
        &rule("for: {path: \"/x[\"}\nskip: true"),
        "line 3, column 17: cannot read the pattern \"/x[\": unclosed character class; missing ']'",
    );
    says(&rule("for: {path: x}\nskip: true"), "line 3, column 17: a path begins with `/`: \"x\"");
    says(&rule("rename: {pattern: \"(\", to: b}"), "line 3, column 23: cannot read the pattern: unclosed group");
    says("rules: 5\n", "line 1, column 8: expected sequence start");
    says(
        "rules:\n  - name: r\n   skip: true\n",
        "line 3, column 4: while parsing a block collection, did not find expected '-' indicator",
    );
}

#[test]
fn rules_that_make_no_sense_name_their_rule_and_line() {
    says(
        &rule("for: {kind: secret_scope}\nset: {/nmae: x}"),
        "line 2, column 5: rule \"r\": secret scopes have no field `/nmae`; they have backend_type, keyvault_metadata, name",
    );
    says(
        &rule("for: {kind: notebook}\ndrop: [/language]"),
        "line 2, column 5: rule \"r\": notebooks have no fields, and so no `/language`",
    );
    says(&rule("merge: {settings: {}}"), "line 2, column 5: rule \"r\": no kind of this rule has the field `/settings`");
    says(
        &rule("for: {kind: job}"),
        "line 2, column 5: rule \"r\": it does nothing: give one of skip, keep, drop, drop_urls, set, merge, patch, clamp, rename, move, activations, conflicts",
    );
    says(
        &rule("for: {kind: user}\nrename: {to: x}"),
        "line 2, column 5: rule \"r\": users cannot be renamed: name what stands for them under `maps`",
    );
    for (to, said) in
        [("$1_dr", "`$1_dr` names no group of the pattern: write `${1}_dr`"), ("${2}", "`${2}` names no group of the pattern")]
    {
        let text = format!("for: {{kind: job}}\nrename: {{pattern: \"^(.*)$\", to: \"{to}\"}}");
        says(&rule(&text), &format!("line 2, column 5: rule \"r\": {said}"));
    }
    for to in ["${1}_dr", "$1-dr", "$0", "$$1_dr", "{name}$"] {
        RuleSet::parse(&rule(&format!("rename: {{pattern: \"^(.*)$\", to: \"{to}\"}}"))).expect("good");
    }
    says(&rule("for: {kind: notebook}\nrename: {to: x}"), "line 2, column 5: rule \"r\": notebooks have a path: use `move`");
    says(
        &rule("for: {kind: job}\nmove: {/a: /b}"),
        "line 2, column 5: rule \"r\": `move` holds for everything below the path, and takes no `for`",
    );
    says(&rule("move: {/a: \"dbfs:/b\"}"), "line 2, column 5: rule \"r\": \"/a\" and \"dbfs:/b\" do not lie in the same place");
    says(
        &rule("move: {/a/: /b}"),
        "line 2, column 5: rule \"r\": \"/a/\" is no path: expected one such as /Shared/etl, dbfs:/etl or /Volumes/a/b/c",
    );
    says(
        &rule("clamp: {/timeout_seconds: {min: 3, max: 2}}"),
        "line 2, column 5: rule \"r\": no number is at least 3 and at most 2",
    );
    says(
        &rule("activations: keep"),
        "line 2, column 5: rule \"r\": `activations: keep` lets things run: it needs `extends: clone`",
    );
    says(
        "rules:\n  - {name: r, skip: true}\n  - {name: r, skip: true}\n",
        "line 3, column 5: rule \"r\": two rules are called \"r\"",
    );
}
