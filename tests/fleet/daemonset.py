#!/usr/bin/env python3
"""Holds fleet/kubernetes/daemonset.yaml against the published schema of Kubernetes.

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
checks.equal("its capabilities", context["capabilities"], {"drop": ["ALL"], "add": ["BPF", "PERFMON"]})
context["priviledged"] = False
checks.check("the schema refuses what it does not know", why_not(daemonset) != "")
sys.exit(checks.failed > 0)
