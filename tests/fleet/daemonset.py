#!/usr/bin/env python3
"""Holds fleet/kubernetes/daemonset.yaml against the published schema of Kubernetes, and the
configurations that no test runs against YAML.

usage: daemonset.py
"""

import sys

import kubernetes_validate
import yaml

import queries

FILE = queries.CLICKHOUSE.parent / "kubernetes" / "daemonset.yaml"


def why_not(daemonset):
    """What the schema says against it; nothing if it is allowed."""
    try:
        kubernetes_validate.validate(daemonset, VERSION, strict=True)
    except (kubernetes_validate.ValidationError, kubernetes_validate.SchemaNotFoundError) as error:
        return str(error)
    return ""


VERSION = kubernetes_validate.latest_version()
checks = queries.Checks()
daemonset = yaml.safe_load(FILE.read_text())
checks.equal(f"daemonset.yaml by the schema of Kubernetes {VERSION}", why_not(daemonset), "")
pod = daemonset["spec"]["template"]["spec"]
context = pod["containers"][0]["securityContext"]
checks.equal("its capabilities", context["capabilities"],
             {"drop": ["ALL"], "add": ["BPF", "PERFMON", "SYS_NICE"]})
checks.equal("its other privileges", [
    context["privileged"], context["allowPrivilegeEscalation"], context["readOnlyRootFilesystem"],
    pod["automountServiceAccountToken"], [it["name"] for it in pod["containers"][0]["volumeMounts"]
                                          if not it.get("readOnly")],
], [False, False, True, False, ["log"]])
context["priviledged"] = False
checks.check("the schema refuses what it does not know", why_not(daemonset) != "")
for name in ("vector/vector.yaml", "otel-collector/config.yaml"):
    text = (queries.CLICKHOUSE.parent / name).read_text()
    checks.check(f"{name} is YAML, and says that no test runs it",
                 isinstance(yaml.safe_load(text), dict) and "No test runs this file" in text)
sys.exit(checks.failed > 0)
