//! Which workspace, and as whom: precedence, profiles, families of credentials, and every trap among them.

use lifeboat::api::{AuthType, Config, ConfigError};
use std::collections::BTreeMap;
use std::path::Path;

const FILE: &str = "\
; a comment
[DEFAULT]
host = https://default.example
token = default-token

[a]
host = a.example:443/?o=1
token = a#b;c\\n\"d\"

[b]
host  =  https://b.example/path/
client_id = id
client_secret = secret

[empty]
host = https://empty.example
token =

[hostless]
token = t

[basic]
host = https://x.example
username = u
password = p

[forced]
host = https://x.example
token = t
azure_client_id = i
auth_type = pat

[mixed]
host = https://x.example
token = t
azure_client_id = i

[msi]
azure_use_msi = true
azure_workspace_resource_id = /subscriptions/1/resourceGroups/g/providers/Microsoft.Databricks/workspaces/w

[no-msi]
host = https://x.example
token = t
azure_use_msi = false

[sp]
host = https://adb-1.2.azuredatabricks.net
azure_client_id = i
azure_client_secret = s
azure_tenant_id = t
azure_environment = AzureUSGovernmentCloud

[ambient]
host = https://adb-1.2.azuredatabricks.net

[login]
host = https://x.example
auth_type = databricks-cli

[oidc]
host = https://x.example
oidc_token_env = X

[unverified]
host = https://x.example
token = t
skip_verify = true

[rate]
host = https://x.example
token = t
rate_limit = fast

[cloud]
host = https://x.example
azure_client_id = i
azure_client_secret = s
azure_environment = MOON
";

fn resolve(profile: Option<&str>, env: &[(&str, &str)], file: &str) -> Result<Config, ConfigError> {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join(".databrickscfg"), file).unwrap();
    at(profile, env, Some(home.path()))
}

fn at(profile: Option<&str>, env: &[(&str, &str)], home: Option<&Path>) -> Result<Config, ConfigError> {
    let env: BTreeMap<_, _> = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Config::resolve(profile, &|name| env.get(name).cloned(), home)
}

fn check(profile: Option<&str>, env: &[(&str, &str)], host: &str, auth: AuthType, origin: &str) {
    let config = resolve(profile, env, FILE).unwrap_or_else(|error| panic!("{profile:?} {env:?}: {error}"));
    let found = (config.host().unwrap_or_default().to_owned(), config.auth_type(), config.origin());
    assert_eq!(found, (host.to_owned(), auth, origin.to_owned()), "{profile:?} {env:?}");
}

/// A profile, an environment, a part of the message, a part of the hint.
type Refused<'a> = (Option<&'a str>, &'a [(&'a str, &'a str)], &'a str, &'a str);

const HOST: (&str, &str) = ("DATABRICKS_HOST", "https://env.example");
const TOKEN: (&str, &str) = ("DATABRICKS_TOKEN", "env-token");

#[test]
fn the_environment_comes_before_the_file() {
    use AuthType::{Ambient, OauthM2m, Pat};
    let from_default = "host from profile \"DEFAULT\", token from profile \"DEFAULT\"";
    check(None, &[], "https://default.example", Pat, from_default);
    check(
        Some("b"),
        &[],
        "https://b.example",
        OauthM2m,
        "host from profile \"b\", client_id from profile \"b\", client_secret from profile \"b\"",
    );
    check(
        None,
        &[("DATABRICKS_CONFIG_PROFILE", "b")],
        "https://b.example",
        OauthM2m,
        "host from profile \"b\", client_id from profile \"b\", client_secret from profile \"b\"",
    );
    check(
        Some("a"),
        &[("DATABRICKS_CONFIG_PROFILE", "b")],
        "https://a.example",
        Pat,
        "host from profile \"a\", token from profile \"a\"",
    );
    check(None, &[HOST, TOKEN], "https://env.example", Pat, "host from DATABRICKS_HOST, token from DATABRICKS_TOKEN");
    check(None, &[HOST], "https://env.example", Ambient, "host from DATABRICKS_HOST");
    check(Some("a"), &[TOKEN], "https://a.example", Pat, "host from profile \"a\", token from DATABRICKS_TOKEN");
    check(
        None,
        &[("DATABRICKS_CONFIG_PROFILE", "a"), HOST],
        "https://env.example",
        Pat,
        "host from DATABRICKS_HOST, token from profile \"a\"",
    );
    check(
        Some("a"),
        &[("DATABRICKS_HOST", "a.example")],
        "https://a.example",
        Pat,
        "host from DATABRICKS_HOST, token from profile \"a\"",
    );
    check(None, &[("DATABRICKS_HOST", ""), ("DATABRICKS_TOKEN", " ")], "https://default.example", Pat, from_default);
}

#[test]
fn ways_to_sign_in_follow_from_what_is_configured() {
    use AuthType::{Ambient, AzureClientSecret, AzureMsi, DatabricksCli, Pat};
    for (profile, auth) in [
        ("forced", Pat),
        ("no-msi", Pat),
        ("msi", AzureMsi),
        ("sp", AzureClientSecret),
        ("ambient", Ambient),
        ("empty", Ambient),
        ("login", DatabricksCli),
    ] {
        assert_eq!(resolve(Some(profile), &[], FILE).unwrap().auth_type(), auth, "{profile}");
    }
    let azure = [HOST, ("ARM_TENANT_ID", "t")];
    assert_eq!(resolve(None, &azure, FILE).unwrap().auth_type(), AuthType::AzureCli);
}

#[test]
fn contradictions_and_gaps_are_errors_with_advice() {
    let cases: [Refused<'_>; 14] = [
        (Some("none"), &[], "there is no profile \"none\"", "profiles there: DEFAULT, a, b"),
        (Some("__settings__"), &[], "there is no profile \"__settings__\"", "profiles there"),
        (Some("hostless"), &[], "no workspace is configured", "--profile"),
        (Some("basic"), &[], "username and password", "token"),
        (Some("mixed"), &[], "more than one authorization method configured: azure and pat", "DATABRICKS_AUTH_TYPE"),
        (None, &[HOST, TOKEN, ("ARM_CLIENT_ID", "i")], "azure and pat", "azure_client_id from ARM_CLIENT_ID"),
        (Some("a"), &[HOST], "profile \"a\" is for https://a.example, but DATABRICKS_HOST is https://env.example", "unset"),
        (Some("oidc"), &[], "\"env-oidc\" is not supported", "databricks-cli"),
        (Some("b"), &[("DATABRICKS_AUTH_TYPE", "pat")], "sign-in by pat needs \"token\"", "profile"),
        (Some("a"), &[("DATABRICKS_AUTH_TYPE", "external-browser")], "not supported", "azure-cli"),
        (None, &[("DATABRICKS_HOST", "http://x.example"), TOKEN], "plain HTTP", "https://"),
        (None, &[("DATABRICKS_HOST", "ftp://x"), TOKEN], "not the address", "azuredatabricks"),
        (None, &[("DATABRICKS_HOST", "https://u:canary@x"), TOKEN], "not the address", "looks like"),
        (None, &[HOST, ("DATABRICKS_CLIENT_ID", "i")], "needs \"client_secret\"", "set them"),
    ];
    for (profile, env, message, hint) in cases {
        let error = resolve(profile, env, FILE).unwrap_err();
        assert!(error.to_string().contains(message), "{profile:?} {env:?}: {error}");
        assert!(error.hint().unwrap().contains(hint), "{profile:?} {env:?}: {:?}", error.hint());
        assert!(!format!("{error:?}").contains("canary"), "{error:?}");
    }
}

#[test]
fn values_that_cannot_be_used_are_named() {
    for (profile, key) in [("unverified", "skip_verify"), ("rate", "rate_limit"), ("cloud", "azure_environment")] {
        let error = resolve(Some(profile), &[], FILE).unwrap_err();
        assert!(matches!(error, ConfigError::BadValue { key: found, .. } if found == key), "{error}");
    }
}

#[test]
fn the_default_profile_can_be_another() {
    let file = format!("[__settings__]\ndefault_profile = b\n{FILE}");
    assert_eq!(resolve(None, &[], &file).unwrap().profile(), Some("b"));
    let file = format!("[__settings__]\ndefault_profile = gone\n{FILE}");
    assert!(matches!(resolve(None, &[], &file), Err(ConfigError::NoProfile { .. })));
}

#[test]
fn profiles_inherit_nothing() {
    let file = "[DEFAULT]\ntoken = t\n[x]\nhost = https://x.example\n";
    assert_eq!(resolve(Some("x"), &[], file).unwrap().auth_type(), AuthType::Ambient);
}

#[test]
fn files_are_found_or_missed_as_they_should() {
    let home = tempfile::tempdir().unwrap();
    assert!(matches!(at(None, &[], Some(home.path())), Err(ConfigError::NoHost)), "no file is no error");
    assert!(matches!(at(Some("x"), &[], Some(home.path())), Err(ConfigError::NoProfile { .. })));
    assert!(matches!(at(Some("x"), &[], None), Err(ConfigError::NoProfile { .. })));
    std::fs::write(home.path().join("other.cfg"), "\u{feff}[x]\r\nhost = https://x.example\r\ntoken = t\r\n").unwrap();
    let config = at(Some("x"), &[("DATABRICKS_CONFIG_FILE", "~/other.cfg")], Some(home.path())).unwrap();
    assert_eq!(config.host(), Some("https://x.example"), "a file written on Windows");
    std::fs::write(home.path().join(".databrickscfg"), "[x]\nhost\n").unwrap();
    let error = at(Some("x"), &[], Some(home.path())).unwrap_err();
    assert!(matches!(error, ConfigError::Malformed { .. }), "{error}");
    assert!(at(None, &[HOST, TOKEN], Some(home.path())).is_ok(), "a file that is not needed is not read");
    std::fs::create_dir(home.path().join("folder")).unwrap();
    let folder = home.path().join("folder").display().to_string();
    assert!(matches!(at(Some("x"), &[("DATABRICKS_CONFIG_FILE", &folder)], None), Err(ConfigError::Unreadable { .. })));
}

#[test]
fn hosts_for_drills_are_taken_as_they_are() {
    let config = Config::with_host_and_token("http://127.0.0.1:8080/", "canary");
    assert_eq!((config.host(), config.auth_type()), (Some("http://127.0.0.1:8080"), AuthType::Pat));
    assert!(!format!("{config:?}").contains("canary"));
}

const AZURE: &str = "https://adb-1.1.azuredatabricks.net";
const ARM: [(&str, &str); 3] = [("ARM_CLIENT_ID", "i"), ("ARM_CLIENT_SECRET", "s"), ("ARM_TENANT_ID", "t")];

const SEEN_BY_OTHERS: &str = "
[DEFAULT]\nhost = https://default.example\ntoken = t
[pat]\nhost = https://pat.example\ntoken = t
[m2m]\nhost = https://m2m.example\nclient_id = i\nclient_secret = s
[azure]\nhost = https://adb-1.1.azuredatabricks.net\nazure_client_id = i\nazure_client_secret = s\nazure_tenant_id = t
[bare-azure]\nhost = https://adb-1.1.azuredatabricks.net
[both]\nhost = https://both.example\ntoken = t\nclient_id = i\nclient_secret = s
[forced]\nhost = https://both.example\ntoken = t\nclient_id = i\nclient_secret = s\nauth_type = oauth-m2m
[half]\nhost = https://adb-1.1.azuredatabricks.net\ntoken = t\nazure_workspace_resource_id = /subscriptions/s/x
";

/// A profile, an environment, the host, the way to sign in.
type Chosen<'a> = (Option<&'a str>, Vec<(&'a str, &'a str)>, &'a str, &'a str);

/// What databricks-sdk 0.156 for Python chose (`Config(...).host`, `.auth_type`) when it was given the same; "" where it refused.
#[test]
fn the_choice_is_that_of_the_official_client() {
    let with = |env: &[(&'static str, &'static str)]| [&ARM[..], env].concat();
    let cases: [Chosen<'_>; 24] = [
        (None, vec![], "https://default.example", "pat"),
        (Some("m2m"), vec![], "https://m2m.example", "oauth-m2m"),
        (Some("azure"), vec![], AZURE, "azure-client-secret"),
        (Some("both"), vec![], "", ""),
        (Some("forced"), vec![], "https://both.example", "oauth-m2m"),
        (Some("half"), vec![], "", ""),
        (Some("missing"), vec![], "", ""),
        (None, vec![TOKEN], "", ""),
        (Some("pat"), vec![TOKEN], "https://pat.example", "pat"),
        (Some("m2m"), vec![TOKEN], "", ""),
        (Some("azure"), vec![TOKEN], "", ""),
        (Some("bare-azure"), vec![TOKEN], AZURE, "pat"),
        (Some("forced"), vec![TOKEN], "https://both.example", "oauth-m2m"),
        (None, vec![HOST, TOKEN], "https://env.example", "pat"),
        (None, vec![HOST, ("DATABRICKS_CLIENT_ID", "i"), ("DATABRICKS_CLIENT_SECRET", "s")], "https://env.example", "oauth-m2m"),
        (None, with(&[("DATABRICKS_HOST", AZURE)]), AZURE, "azure-client-secret"),
        (Some("pat"), with(&[]), "", ""),
        (Some("azure"), with(&[]), AZURE, "azure-client-secret"),
        (None, with(&[HOST, TOKEN]), "", ""),
        (None, vec![("DATABRICKS_AUTH_TYPE", "pat")], "https://default.example", "pat"),
        (Some("both"), vec![("DATABRICKS_AUTH_TYPE", "pat")], "https://both.example", "pat"),
        (Some("m2m"), vec![("DATABRICKS_AUTH_TYPE", "pat")], "", ""),
        (Some("pat"), vec![("DATABRICKS_CONFIG_PROFILE", "m2m")], "https://pat.example", "pat"),
        (None, vec![("DATABRICKS_CONFIG_PROFILE", "m2m"), HOST], "https://env.example", "oauth-m2m"),
    ];
    for (profile, env, host, auth) in cases {
        let chosen = resolve(profile, &env, SEEN_BY_OTHERS).ok();
        let chosen = chosen.as_ref().map_or(("", ""), |config| (config.host().unwrap_or_default(), config.auth_type().name()));
        assert_eq!(chosen, (host, auth), "{profile:?} {env:?}");
    }
}
