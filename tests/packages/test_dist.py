# SPDX-License-Identifier: Apache-2.0
"""`make dist`: the tarball has what was committed, and the same bytes each time; the list of libraries is valid SPDX."""

import hashlib
import json
import re
import subprocess
import tarfile

import pytest

from commands import run
from harness import BUILD, PROJECT

PROGRAMS = ["slurm-secretsd", "secretctl", "slurm-secrets-view", "spank_secrets.so"]


@pytest.fixture(scope="module")
def releases(tmp_path_factory):
    """Makes a release twice, at different times in different folders."""
    folders = [tmp_path_factory.mktemp("dist") for _ in range(2)]
    for folder in folders:
        run(PROJECT / "packaging" / "dist", BUILD, folder)
    return folders


def tarball_of(folder):
    (file,) = folder.glob("*.tar.gz")
    return file


@pytest.fixture(scope="module")
def sbom(releases):
    (file,) = releases[0].glob("*.spdx.json")
    return json.loads(file.read_text())


def test_release_has_the_same_bytes_each_time(releases):
    first, second = ({file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in folder.iterdir()}
                     for folder in releases)
    assert first == second and len(first) == 3


def test_checksums_are_right(releases):
    assert run("sha256sum", "--check", "--strict", "SHA256SUMS", cwd=releases[0]).stdout.count(": OK\n") == 2


def test_tarball_has_what_was_committed_with_the_date_of_its_commit(releases):
    if not (PROJECT / ".git").exists():
        pytest.skip("this is no clone")
    committed = set(run("git", "-C", PROJECT, "ls-tree", "-r", "--name-only", "HEAD").stdout.splitlines())
    date = int(run("git", "-C", PROJECT, "log", "-1", "--format=%ct").stdout)
    with tarfile.open(tarball_of(releases[0])) as tar:
        files = [member for member in tar if member.isfile() or member.issym()]
        assert {file.name.split("/", 1)[1] for file in files} == committed
        assert {file.name.split("/")[0] for file in files} == {tarball_of(releases[0]).name.removesuffix(".tar.gz")}
        assert {file.mtime for file in files} == {date}


def test_unpacked_tarball_knows_its_date_and_packs_itself(releases, tmp_path):
    run("tar", "-C", tmp_path, "-xzf", tarball_of(releases[0]))
    (tree,) = tmp_path.iterdir()
    date = run(tree / "packaging/source-date").stdout
    assert date == run(PROJECT / "packaging/source-date").stdout
    for name in ("one", "two"):
        run(tree / "packaging/tarball", tmp_path / f"{name}.tar.gz")
    assert (tmp_path / "one.tar.gz").read_bytes() == (tmp_path / "two.tar.gz").read_bytes()
    with tarfile.open(tmp_path / "one.tar.gz") as tar:
        assert {member.mtime for member in tar if member.isfile()} == {int(date)}


# ---- the list of libraries --------------------------------------------------------------------------


def test_sbom_has_the_fields_that_spdx_requires(sbom):
    assert sbom["spdxVersion"] == "SPDX-2.3" and sbom["dataLicense"] == "CC0-1.0" and sbom["SPDXID"] == "SPDXRef-DOCUMENT"
    assert sbom["name"] and re.fullmatch(r"urn:uuid:[0-9a-f-]{36}", sbom["documentNamespace"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", sbom["creationInfo"]["created"])
    assert all(re.match(r"(Tool|Person|Organization): \S", creator) for creator in sbom["creationInfo"]["creators"])
    ids = {"SPDXRef-DOCUMENT"}
    for package in sbom["packages"]:
        assert re.fullmatch(r"SPDXRef-[A-Za-z0-9.-]+", package["SPDXID"]) and package["SPDXID"] not in ids
        ids.add(package["SPDXID"])
        for field in ("name", "versionInfo", "downloadLocation", "licenseConcluded", "licenseDeclared", "copyrightText"):
            assert package[field], package
        assert package["filesAnalyzed"] is False
    for relation in sbom["relationships"]:
        assert {relation["spdxElementId"], relation["relatedSpdxElement"]} <= ids
    assert [relation for relation in sbom["relationships"] if relation["relationshipType"] == "DESCRIBES"]


def test_sbom_names_a_licence_and_a_package_of_every_library(sbom):
    libraries = [package for package in sbom["packages"] if package.get("primaryPackagePurpose") == "LIBRARY"]
    assert len(libraries) > 10
    for library in libraries:
        assert library["licenseDeclared"] != "NOASSERTION", library["name"]
        (reference,) = library["externalRefs"]
        assert re.match(r"pkg:(deb|rpm)/\w+/\S+@\S+\?arch=src|pkg:deb/\w+/\S+@\S+\?arch=source", reference["referenceLocator"])


@pytest.mark.parametrize("program", PROGRAMS)
def test_sbom_names_every_library_that_a_program_links(sbom, program):
    needed = set(re.findall(r"\(NEEDED\).*\[(.*)\]", run("readelf", "-d", BUILD / program).stdout))
    paths = [path for name, path in re.findall(r"(\S+) => (\S+)", run("ldd", BUILD / program).stdout) if name in needed]
    owners = set()
    for path in paths:
        for place in (path, f"/usr{path}"):
            done = subprocess.run(["dpkg", "-S", place], capture_output=True, text=True, check=False)
            if done.returncode == 0:
                binary = done.stdout.split(": ")[0]
                owners.add(run("dpkg-query", "--show", "--showformat=${source:Package}", binary).stdout)
    ids = {package["SPDXID"]: package["name"] for package in sbom["packages"]}
    listed = {ids[relation["relatedSpdxElement"]] for relation in sbom["relationships"]
              if ids.get(relation["spdxElementId"]) == program and relation["relationshipType"] == "DYNAMIC_LINK"}
    assert owners and owners <= listed, owners - listed


def test_sbom_names_libraries_of_which_only_headers_are_used(sbom):
    inside = {relation["relatedSpdxElement"] for relation in sbom["relationships"] if relation["relationshipType"] == "STATIC_LINK"}
    assert any("cli11" in name for name in inside)
    assert any("gcc" in name for name in inside)  # the plugin's part of the C++ library
