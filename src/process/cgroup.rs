//! What the path of a cgroup tells.

/// So long is the id of a container.
const ID_LENGTH: usize = 64;

/// The container whose cgroup, or an inner cgroup of which, this is: 64 hexadecimal digits.
///
/// Docker, containerd, CRI-O and podman all name a container's cgroup after its id, as
/// `ID`, `docker-ID.scope`, `cri-containerd-ID.scope`, `crio-ID.scope` or `libpod-ID.scope`.
/// A `conmon` scope holds the monitor of a container, which runs outside.
pub fn container_id(path: &str) -> Option<&str> {
    if path.len() < ID_LENGTH {
        return None; // each event asks, and nearly none is in a container
    }
    path.rsplit('/').find_map(|name| {
        let name = name.strip_suffix(".scope").unwrap_or(name);
        let (kind, id) = name.rsplit_once('-').unwrap_or(("", name));
        let is_id =
            id.len() == ID_LENGTH && id.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        (is_id && !kind.ends_with("conmon")).then_some(id)
    })
}

/// Whether a cgroup is `ancestor` or below it.
pub fn is_within(path: &str, ancestor: &str) -> bool {
    let rest = path.strip_prefix(ancestor.trim_end_matches('/'));
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    #[test]
    fn containers_are_known_by_their_cgroup() {
        for path in [
            format!("/docker/{ID}"),
            format!("/system.slice/docker-{ID}.scope"),
            format!("/kubepods.slice/kubepods-pod1.slice/cri-containerd-{ID}.scope"),
            format!("/kubepods/burstable/pod1/{ID}"),
            format!("/kubepods.slice/crio-{ID}.scope"),
            format!("/machine.slice/libpod-{ID}.scope/container"),
            format!("/system.slice/docker-{ID}.scope/init.scope"),
        ] {
            assert_eq!(container_id(&path), Some(ID), "{path}");
        }
        for path in [
            "/".to_owned(),
            "/user.slice/user-1000.slice/session-1.scope".to_owned(),
            format!("/machine.slice/libpod-conmon-{ID}.scope"),
            format!("/system.slice/docker-{}.scope", &ID[1..]),
            format!("/docker/{}", ID.to_uppercase()),
        ] {
            assert_eq!(container_id(&path), None, "{path}");
        }
    }

    #[test]
    fn a_cgroup_is_within_itself_and_its_ancestors() {
        assert!(is_within("/a/b", "/a"));
        assert!(is_within("/a", "/a/"));
        assert!(is_within("/a", "/"));
        assert!(!is_within("/ab", "/a"));
        assert!(!is_within("/a", "/a/b"));
    }
}
