//! What is to be hidden in command lines.

use regex::bytes::{NoExpand, Regex};

use super::record::Program;

/// Puts `***` in place of all that matches one of its patterns in any argument.
#[derive(Debug, Default)]
pub struct Redaction(Vec<Regex>);

impl Redaction {
    pub fn new(patterns: Vec<Regex>) -> Self {
        Self(patterns)
    }

    pub fn apply(&self, program: &mut Program) {
        if self.0.iter().any(|pattern| program.args().any(|arg| pattern.is_match(arg))) {
            program.map_args(|arg| {
                let hide = |arg: Vec<u8>, pattern: &Regex| {
                    pattern.replace_all(&arg, NoExpand(b"***")).into_owned()
                };
                self.0.iter().fold(arg.to_vec(), hide)
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_matches_in_an_argument_is_hidden() {
        let patterns = ["secret", "(?i)token=[^ ]*"].map(|text| Regex::new(text).expect("a regex"));
        let argv = b"run\0--password=secret1\0TOKEN=$1 rest\0".to_vec();
        let size = argv.len();
        let mut program = Program::new(None, argv, size);
        Redaction::new(patterns.to_vec()).apply(&mut program);
        let args: Vec<_> = program.args().collect();
        assert_eq!(args, [&b"run"[..], b"--password=***1", b"*** rest"]);
        assert!(!program.args_truncated());
    }
}
