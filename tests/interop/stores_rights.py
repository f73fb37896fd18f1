#!/usr/bin/env python3
"""Who may do what in a store, and how one signs in: Azurite asks for tokens of Entra, moto enforces policies of IAM.

- each sign-in of Entra (service principal, workload identity, managed identity, Azure CLI) writes and reads with the token that its
  endpoint gives, over HTTPS with a certificate of our own; what is wrong with it is said in a sentence, without the secret;
- the least rights that docs/stores.md names are enough, and with one of them less it does not work;
- a container where nothing can be deleted or replaced takes bundles and keeps them, and `prune` says so.

    stores_rights.py FOLDER       with Azurite in $AZURITE
"""

import base64
import contextlib
import datetime
import http.server
import json
import pathlib
import re
import ssl
import subprocess
import sys
import threading
import time
import urllib.parse
import urllib.request

import boto3
from azure.storage.blob import generate_container_sas

import harness
from fault_proxy import faulty
from harness import Failure, Lifeboat, say
from stores import ACCOUNT, CONTAINER, KEY, S3, Azure, azurite, fill, fresh, moto

FIXTURES = harness.ROOT / "fixtures/bundles/v1"
ONE, WHOLE = FIXTURES / "small.tar.zst", FIXTURES / "names.tar.zst"
TENANT, CLIENT, SECRET = "11111111-2222-3333-4444-555555555555", "66666666-7777-8888-9999-000000000000", "s3cret-of-the-principal"
FEDERATED = "federated-token-of-the-pod"
PAGE = (harness.ROOT / "docs/stores.md").read_text()


def token(audience="https://storage.azure.com", lasts=3600):
    """What Azurite takes at its basic level: claims, and no signature that anybody checks."""
    part = lambda value: base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()
    now = int(time.time())
    claims = {"aud": audience, "iss": f"https://sts.windows.net/{TENANT}/", "iat": now - 60, "nbf": now - 60, "exp": now + lasts, "oid": CLIENT}
    return f"{part({'alg': 'RS256', 'typ': 'JWT'})}.{part(claims)}.c2lnbmF0dXJl"


class Tokens(http.server.BaseHTTPRequestHandler):
    """The endpoints that give tokens: Entra's, and the one of a machine with an identity."""

    def log_message(self, *_):
        pass

    def do_POST(self):
        form = dict(urllib.parse.parse_qsl(self.rfile.read(int(self.headers["Content-Length"])).decode()))
        ours = self.path == f"/{TENANT}/oauth2/v2.0/token" and form.get("client_id") == CLIENT and form.get("scope") == "https://storage.azure.com/.default"
        flow = None
        if form.get("client_secret") == SECRET:
            flow = "secret"
        elif form.get("client_assertion") == FEDERATED and form.get("client_assertion_type", "").endswith("jwt-bearer"):
            flow = "federated"
        self.answer(flow if ours else None)

    def do_GET(self):
        query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(self.path).query))
        ours = self.headers.get("Metadata") == "true" and query.get("resource") == "https://storage.azure.com"
        self.answer(("identity " + query.get("client_id", "of the machine")) if ours else None)

    def answer(self, flow):
        body = {"error": "invalid_client", "error_description": "AADSTS7000215: Invalid client secret provided."}
        if flow:
            self.server.given.append(flow)
            body = {"access_token": token(), "token_type": "Bearer", "expires_in": 3600, "expires_on": str(int(time.time()) + 3600)}
        data = json.dumps(body).encode()
        self.send_response(200 if flow else 401)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


@contextlib.contextmanager
def tokens(certificate=None):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Tokens)
    server.given, server.daemon_threads = [], True
    scheme = "http"
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificate)
        server.socket, scheme = context.wrap_socket(server.socket, server_side=True), "https"
    server.url = f"{scheme}://127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


def certified(folder):
    """A certificate for this machine that nobody but us has signed, and its key."""
    certificate, key = folder / "cert.pem", folder / "key.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1", "-keyout", key,
                    "-out", certificate, "-addext", "subjectAltName=IP:127.0.0.1", "-addext", "basicConstraints=critical,CA:FALSE"],
                   check=True, capture_output=True)
    return certificate, key


class Rights:
    def __init__(self, folder):
        self.folder, self.lifeboat = folder, Lifeboat(folder / "home")

    def run(self, *arguments, expect=(0, 3), **environment):
        return self.lifeboat.run(*arguments, expect=expect, **environment)

    # Sign-ins

    def entra(self):
        pair = certified(self.folder)
        with azurite(self.folder, certificate=pair) as url, tokens(pair) as authority, tokens() as machine:
            bearer = {"AZURE_STORAGE_ENDPOINT": f"{url}/{ACCOUNT}", "SSL_CERT_FILE": str(pair[0])}
            self.run("copy", ONE, f"az://{ACCOUNT}/{CONTAINER}/none.tar.zst", expect=(1,), AZURE_STORAGE_TOKEN=token("https://other"), **bearer)
            create(url, pair[0])
            principal = bearer | {"AZURE_AUTHORITY_HOST": authority.url, "AZURE_TENANT_ID": TENANT, "AZURE_CLIENT_ID": CLIENT}
            federated = self.folder / "federated"
            federated.write_text(FEDERATED)
            self.command_line()
            ways = {
                "token": (bearer | {"AZURE_STORAGE_TOKEN": token()}, None),
                "service principal": (principal | {"AZURE_CLIENT_SECRET": SECRET}, "secret"),
                "workload identity": (principal | {"AZURE_FEDERATED_TOKEN_FILE": str(federated)}, "federated"),
                "managed identity": (bearer | {"IDENTITY_ENDPOINT": f"{machine.url}/token", "IDENTITY_HEADER": "x"}, "identity of the machine"),
                "managed identity of a user": (bearer | {"IDENTITY_ENDPOINT": f"{machine.url}/token", "AZURE_CLIENT_ID": CLIENT}, f"identity {CLIENT}"),
                "Azure CLI": (bearer | {"AZURE_USE_AZURE_CLI": "true", "PATH": f"{self.folder}:/usr/bin:/bin"}, None),
            }
            for number, (way, (environment, flow)) in enumerate(ways.items()):
                authority.given.clear()
                machine.given.clear()
                place = f"az://{ACCOUNT}/{CONTAINER}/entra-{number}.tar.zst"
                self.run("copy", ONE, place, "--verify-upload", "full", **environment)
                self.run("list", place, **environment)
                if flow and set(authority.given + machine.given) != {flow}:
                    raise Failure(f"{way}: tokens were given for {authority.given + machine.given}")
            self.refused(principal, bearer)
        say(f"signed in with Entra over HTTPS: {', '.join(ways)}")

    def command_line(self):
        """An `az` that knows one answer."""
        program = self.folder / "az"
        expires = (datetime.datetime.now() + datetime.timedelta(hours=1)).strftime("%Y-%m-%d %H:%M:%S.%f")
        answer = json.dumps({"accessToken": token(), "expiresOn": expires, "tokenType": "Bearer", "tenant": TENANT, "subscription": TENANT})
        program.write_text(f"#!/bin/sh\ntest \"$*\" = 'account get-access-token --output json --scope https://storage.azure.com/.default' || exit 2\n"
                           f"cat <<'END'\n{answer}\nEND\n")
        program.chmod(0o700)

    def refused(self, principal, bearer):
        place = f"az://{ACCOUNT}/{CONTAINER}/entra-0.tar.zst"
        cases = [
            (principal | {"AZURE_CLIENT_SECRET": "wr0ng-secret"}, b"sign in"),
            (bearer | {"AZURE_STORAGE_TOKEN": token(lasts=-10)}, b"sign-in"),
            (bearer | {"AZURE_USE_AZURE_CLI": "true", "PATH": str(self.folder / "nowhere")}, b"sign in"),
            ({"AZURE_STORAGE_ENDPOINT": bearer["AZURE_STORAGE_ENDPOINT"], "AZURE_STORAGE_TOKEN": token()}, b"does not answer"),
        ]
        for environment, words in cases:
            done = self.run("list", place, expect=(1,), **environment)
            if words not in done.stderr or b"hint: " not in done.stderr or b"wr0ng" in done.stderr or b"eyJ" in done.stderr:
                raise Failure(f"a sign-in that is wrong: {done.stderr!r}")

    # Rights in Azure

    def letters(self, azure):
        """The letters of a SAS that the page names are the fewest."""
        rows = re.findall(r"^\| (.+?) \| `([rlcwd]+)` \|", PAGE, re.MULTILINE)
        if len(rows) < 5:
            raise Failure(f"docs/stores.md names no letters: {rows}")
        base = f"{azure.url}/{ACCOUNT}/{CONTAINER}"
        for number, (what, letters) in enumerate(rows):
            for missing in [None, *letters]:
                rest = letters.replace(missing, "") if missing else letters
                shelf = f"letters-{number}-{missing or 'all'}"
                for name in ("one", "two"):
                    azure.write(f"{shelf}/{name}.tar.zst", WHOLE.read_bytes())
                sas = generate_container_sas(ACCOUNT, CONTAINER, account_key=KEY, permission=rest,
                                             expiry=datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=1)) if rest else ""
                works = self.works(what, azure, lambda path: f"{base}/{shelf}/{path}" + (f"?{sas}" if sas else ""), shelf)
                if works != (missing is None):
                    raise Failure(f"{what} with `{rest}`: {'works' if works else 'does not work'}")
        say(f"Azure: the letters of a SAS for {len(rows)} tasks are enough, and no letter is too much")

    def works(self, what, azure, at, shelf):
        """Whether the task of this name of the page comes out as it should."""
        run = lambda *arguments: self.lifeboat.run(*arguments, expect=range(6))
        if what.startswith("export, copy"):
            done = run("copy", "--json", ONE, at("new.tar.zst"), *(["--verify-upload", "full"] if "full" in what else []))
            recorded = f"{shelf}/new.tar.zst.record.json" in azure.names()
            checked = done.returncode == 0 and json.loads(done.stdout)["destinations"][0]["checked"]
            return checked == "nothing" if "alone" in what else checked in ("ends", "full") and recorded
        return self.reads(what, run, at, lambda: [name for name in azure.names() if name.startswith(f"{shelf}/")])

    @staticmethod
    def reads(what, run, at, left):
        if what.startswith("list, show"):
            return run("verify", "--full", at("one.tar.zst")).returncode in (0, 3)
        if what.startswith("bundles"):
            told = run("bundles", "--json", at(""))
            return told.returncode == 0 and len(json.loads(told.stdout)["bundles"]) == 2
        if what.startswith("prune"):
            return run("prune", "--json", at(""), "--keep-last", "1", "--yes").returncode == 0 and len(left()) == 1
        raise Failure(f"no task is called {what}")

    # Rights in S3

    def policies(self, s3, large):
        """The policy of the page is enough, and with an action less it is not; who only reads, or prunes, gets by with less still."""
        text = re.search(r"<!-- s3-writer -->\n```json\n(.+?)```", PAGE, re.DOTALL).group(1).replace("BUCKET", CONTAINER)
        iam = boto3.client("iam", endpoint_url=s3.url, aws_access_key_id="witness", aws_secret_access_key="x", region_name="us-east-1")
        iam.create_user(UserName="lifeboat")
        key = iam.create_access_key(UserName="lifeboat")["AccessKey"]
        environment = s3.environment() | {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}
        writer = json.loads(text)
        roles = {
            "export, copy": (writer, ["s3:PutObject", "s3:GetObject"]),
            "list, show": (only(writer, "s3:GetObject", "s3:ListBucket"), ["s3:GetObject"]),
            "bundles": (only(writer, "s3:GetObject", "s3:ListBucket"), ["s3:ListBucket"]),
            "prune": (only(writer, "s3:GetObject", "s3:ListBucket", "s3:DeleteObject"), ["s3:ListBucket", "s3:DeleteObject"]),
        }
        for number, (what, (policy, needed)) in enumerate(roles.items()):
            for missing in [None, *needed]:
                enforce(s3.url, "inf")
                shelf = f"policy-{number}-{(missing or 'all').replace(':', '-')}"
                for name in ("one", "two"):
                    s3.write(f"{shelf}/{name}.tar.zst", WHOLE.read_bytes())
                iam.put_user_policy(UserName="lifeboat", PolicyName="it", PolicyDocument=json.dumps(without(policy, missing)))
                enforce(s3.url, "0")
                run = lambda *arguments: self.lifeboat.run(*arguments, expect=range(6), **environment)
                at = lambda path: s3.address(f"{shelf}/{path}")

                def left():
                    enforce(s3.url, "inf")
                    return [name for name in s3.names() if name.startswith(f"{shelf}/")]

                if what == "export, copy":
                    done = run("copy", "--json", large, at("new.tar.zst"))
                    works = done.returncode == 0 and json.loads(done.stdout)["destinations"][0]["checked"] == "ends" and f"{shelf}/new.tar.zst.record.json" in left()
                else:
                    works = self.reads(what, run, at, left)
                if works != (missing is None):
                    raise Failure(f"S3: {what} without {missing}: {'works' if works else 'does not work'}")
        enforce(s3.url, "inf")
        say("S3: the policies of IAM are enough, and no less is")

    # Places where nothing can be deleted

    def locked(self, s3, large):
        """A bucket with object lock and a default retention."""
        s3.client.create_bucket(Bucket="locked", ObjectLockEnabledForBucket=True)
        rule = {"DefaultRetention": {"Mode": "COMPLIANCE", "Days": 1}}
        s3.client.put_object_lock_configuration(Bucket="locked", ObjectLockConfiguration={"ObjectLockEnabled": "Enabled", "Rule": rule})
        environment = s3.environment()
        for path, name in ((WHOLE, "one"), (WHOLE, "two"), (large, "large")):
            self.run("copy", path, f"s3://locked/shelf/{name}.tar.zst", "--verify-upload", "full", **environment)
        self.run("copy", ONE, "s3://locked/shelf/one.tar.zst", expect=(5,), **environment)
        self.run("prune", "s3://locked/shelf/", "--keep-last", "1", "--yes", expect=(0, 3), **environment)
        kept = {version["Key"] for version in s3.client.list_object_versions(Bucket="locked").get("Versions", [])}
        if not {f"shelf/{name}.tar.zst" for name in ("one", "two", "large")} <= kept:
            raise Failure(f"a locked bundle is gone: {kept}")
        say("S3: a bucket with object lock takes bundles, whole and in parts, and keeps them")

    def immutable(self, azure):
        """What Azure answers where a policy or a lease forbids changes, which Azurite does not know."""
        for name in ("one", "two"):
            azure.write(f"worm/{name}.tar.zst", WHOLE.read_bytes())
            azure.write(f"worm/{name}.tar.zst.record.json", b"{}")
        before = azure.names()
        for status, code in ((409, "BlobImmutableDueToPolicy"), (412, "LeaseIdMissing")):
            answer = f'<?xml version="1.0" encoding="utf-8"?><Error><Code>{code}</Code><Message>x</Message></Error>'.encode()
            refuse = lambda method: lambda request: (status, answer) if request.method == method and "blocklist" == request.query.get("comp", "blocklist") else None
            with faulty(azure.url, self.folder / f"worm-{code}.jsonl", refuse("DELETE")) as proxy:
                done = self.run("prune", azure.address("worm/"), "--keep-last", "1", "--yes", expect=(3,), **azure.environment(proxy.url))
            if b"NOT removed" not in done.stdout or b"locked" not in done.stdout or azure.names() != before:
                raise Failure(f"{code}: {done.stdout!r}, {azure.names()}")
            with faulty(azure.url, self.folder / f"taken-{code}.jsonl", refuse("PUT")) as proxy:
                done = self.run("copy", ONE, azure.address("worm/new.tar.zst"), expect=(5,), **azure.environment(proxy.url))
            if b"locked" not in done.stderr or b"hint: " not in done.stderr or azure.names() != before:
                raise Failure(f"{code}: {done.stderr!r}, {azure.names()}")
        say("Azure: what is immutable or leased stays, and that is said")


def only(policy, *actions):
    """The policy with these actions alone; one that it does not know goes to its objects."""
    statements = json.loads(json.dumps(policy["Statement"]))
    known = {action for statement in statements for action in statement["Action"]}
    for statement in statements:
        statement["Action"] = [action for action in statement["Action"] if action in actions]
    statements[0]["Action"] += [action for action in actions if action not in known]
    return {**policy, "Statement": statements}


def without(policy, action):
    statements = [{**one, "Action": [word for word in one["Action"] if word != action]} for one in policy["Statement"]]
    return {**policy, "Statement": [one for one in statements if one["Action"]]}


def enforce(url, after):
    """Has moto ask for rights after so many requests."""
    plain = {"Content-Type": "text/plain"}  # a form, which urllib would make of it, moto takes apart
    urllib.request.urlopen(urllib.request.Request(f"{url}/moto-api/reset-auth", after.encode(), plain)).read()


def create(url, certificate):
    """The container, by a client that knows this certificate."""
    from azure.storage.blob import BlobServiceClient

    BlobServiceClient(f"{url}/{ACCOUNT}", credential=KEY, connection_verify=str(certificate)).create_container(CONTAINER)


def main():
    folder = fresh(pathlib.Path(sys.argv[1]))
    rights = Rights(folder)
    rights.entra()
    with contextlib.ExitStack() as stack:
        azure = Azure(stack.enter_context(azurite(folder)))
        s3 = S3(stack.enter_context(moto(folder)))
        [workspace] = stack.enter_context(harness.simulator(folder / "workspace", "--seed", "notebooks=5,folders=2,jobs=1"))
        fill(workspace)
        large = folder / "large.tar.zst"
        rights.run("export", "-o", large, DATABRICKS_HOST=workspace["url"], DATABRICKS_TOKEN=workspace["token"])
        rights.letters(azure)
        rights.immutable(azure)
        rights.locked(s3, large)
        rights.policies(s3, large)


if __name__ == "__main__":
    harness.main(main)
