//! The scripts of the queues.

use crate::redis::forms::{Forms, forms};

/// All of them.
pub(super) struct Scripts {
    pub(super) lead: Forms,
    pub(super) resign: Forms,
    pub(super) recover: Forms,
    pub(super) take: Forms,
    pub(super) told: Forms,
    pub(super) settle: Forms,
    pub(super) bury: Forms,
    pub(super) retry: Forms,
    pub(super) backlog: Forms,
    pub(super) standing: Forms,
    pub(super) reset: Forms,
}

macro_rules! of_queue {
    (reads $file:literal) => {
        forms!(reads "../positions.lua" "queue.lua" "keys.lua" $file)
    };
    (writes $file:literal) => {
        forms!(writes "'XDEL', KEYS[1], '0-1'" "../positions.lua" "queue.lua" "keys.lua" $file)
    };
}

impl Scripts {
    pub(super) fn new() -> Self {
        Self {
            lead: of_queue!(writes "lead.lua"),
            resign: of_queue!(writes "resign.lua"),
            recover: of_queue!(reads "recover.lua"),
            take: of_queue!(writes "take.lua"),
            told: of_queue!(writes "told.lua"),
            settle: of_queue!(writes "settle.lua"),
            bury: of_queue!(writes "bury.lua"),
            retry: of_queue!(writes "retry.lua"),
            backlog: of_queue!(reads "backlog.lua"),
            standing: of_queue!(reads "standing.lua"),
            reset: of_queue!(writes "reset.lua"),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::invalidation::Names;

    #[test]
    fn scripts_name_everything_as_names_do() {
        let text =
            String::from_utf8(Names::everything().as_bytes().to_vec()).expect("JSON").replace('\n', "\\n");
        assert!(include_str!("queue.lua").contains(&format!("local EVERYTHING = '{text}'\n")), "{text}");
    }
}
