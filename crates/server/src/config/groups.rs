//! Route groups: what `--services` chooses from, so that a gateway can place
//! them on different nodes over the same database.

/// A group of routes, with the work behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// Accounts, sessions, administration.
    Auth,
    /// Records and their keys.
    Records,
    /// Grants, links, requests.
    Sharing,
    /// The trail.
    Audit,
    /// Connections and the practice API.
    Sync,
    /// The embedded app.
    Web,
}

impl Group {
    /// Every group.
    pub const ALL: [Self; 6] = [
        Self::Auth,
        Self::Records,
        Self::Sharing,
        Self::Audit,
        Self::Sync,
        Self::Web,
    ];

    /// The word in `--services`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Auth => "auth",
            Self::Records => "records",
            Self::Sharing => "sharing",
            Self::Audit => "audit",
            Self::Sync => "sync",
            Self::Web => "web",
        }
    }
}

/// The groups that one node serves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Groups(Vec<Group>);

impl Groups {
    /// Everything.
    pub fn all() -> Self {
        Self(Group::ALL.to_vec())
    }

    /// A list with commas; none where a word is unknown or nothing is named.
    pub fn parse(text: &str) -> Option<Self> {
        let mut groups = Vec::new();
        for word in text
            .split(',')
            .map(str::trim)
            .filter(|word| !word.is_empty())
        {
            let group = Group::ALL
                .into_iter()
                .find(|group| group.as_str() == word)?;
            if !groups.contains(&group) {
                groups.push(group);
            }
        }
        (!groups.is_empty()).then_some(Self(groups))
    }

    /// Whether this node serves `group`.
    pub fn has(&self, group: Group) -> bool {
        self.0.contains(&group)
    }
}
