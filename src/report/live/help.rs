//! What `?` shows, in 40 columns.

pub const HELP: &[&str] = &[
    "Tab       processes / commands",
    "Up Down   scroll; PgUp PgDn Home End",
    "/         filter: name, command line;",
    "          a substring or a regex.",
    "          Enter keeps it, Esc clears it",
    "space     pause, and go on",
    "t         tree on, off",
    "q Ctrl-C  quit        Ctrl-Z  suspend",
    "",
    "Sort; the same key again turns it round",
    "c CPU  a age  m memory  p pid",
    "Commands: c CPU  r running  s starts",
    "          f failures 5 P50 9 P99 n name",
    "",
    "CPU% is of one CPU, in the last period.",
    "START/S FAIL/S: execs, and exits other",
    "than with 0, a second in that period.",
    "Green: started in it. Yellow: failed.",
    "P50 P99: so long lived half, and 99 %,",
    "of all that ended since the watch began.",
];
