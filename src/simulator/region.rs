//! What the cloud offers where a workspace lies: machines, runtimes, zones. `GET /api/2.1/clusters/{list-node-types,
//! spark-versions,list-zones}`.

use super::Region;
use super::call::{Answer, Reply};
use serde_json::{Value, json};

/// A type of machine.
#[derive(Debug)]
pub(super) struct Machine {
    name: &'static str,
    cores: u32,
    memory_mb: u32,
    category: &'static str,
    gpus: u32,
    /// Whether it is shown and cannot be had.
    missing: bool,
}

const fn machine(name: &'static str, cores: u32, memory_mb: u32, category: &'static str) -> Machine {
    Machine { name, cores, memory_mb, category, gpus: 0, missing: false }
}

const NORTH: &[Machine] = &[
    machine("Standard_DS3_v2", 4, 14336, "General Purpose"),
    machine("Standard_DS4_v2", 8, 28672, "General Purpose"),
    machine("Standard_DS5_v2", 16, 57344, "General Purpose"),
    machine("Standard_D4ds_v5", 4, 16384, "General Purpose"),
    machine("Standard_E8ds_v5", 8, 65536, "Memory Optimized"),
    machine("Standard_F8s_v2", 8, 16384, "Compute Optimized"),
    machine("Standard_L8s_v3", 8, 65536, "Storage Optimized"),
    Machine { gpus: 1, ..machine("Standard_NC6s_v3", 6, 114_688, "GPU Accelerated") },
];

/// The older machines were never built here, or have been taken away.
const WEST: &[Machine] = &[
    machine("Standard_D4ds_v5", 4, 16384, "General Purpose"),
    machine("Standard_D8ds_v5", 8, 32768, "General Purpose"),
    machine("Standard_D16ds_v5", 16, 65536, "General Purpose"),
    machine("Standard_E4ds_v5", 4, 32768, "Memory Optimized"),
    machine("Standard_E8ds_v5", 8, 65536, "Memory Optimized"),
    machine("Standard_L8s_v3", 8, 65536, "Storage Optimized"),
    Machine { missing: true, ..machine("Standard_F8s_v2", 8, 16384, "Compute Optimized") },
    Machine { gpus: 1, ..machine("Standard_NC4as_T4_v3", 4, 28672, "GPU Accelerated") },
];

const RUNTIMES: &[(&str, &str)] = &[
    ("13.3.x-scala2.12", "13.3 LTS (includes Apache Spark 3.4.1, Scala 2.12)"),
    ("14.3.x-scala2.12", "14.3 LTS (includes Apache Spark 3.5.0, Scala 2.12)"),
    ("15.4.x-scala2.12", "15.4 LTS (includes Apache Spark 3.5.0, Scala 2.12)"),
    ("15.4.x-cpu-ml-scala2.12", "15.4 LTS ML (includes Apache Spark 3.5.0, Scala 2.12)"),
    ("16.4.x-scala2.12", "16.4 LTS (includes Apache Spark 3.5.2, Scala 2.12)"),
    ("16.4.x-photon-scala2.12", "16.4 LTS Photon (includes Apache Spark 3.5.2, Scala 2.12)"),
    ("17.3.x-scala2.13", "17.3 LTS (includes Apache Spark 4.0.0, Scala 2.13)"),
];

/// Runtimes whose support has ended in the other region already.
const ENDED: usize = 2;

impl Region {
    fn machines(self) -> &'static [Machine] {
        match self {
            Self::North => NORTH,
            Self::West => WEST,
        }
    }

    fn runtimes(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::North => RUNTIMES,
            Self::West => &RUNTIMES[ENDED..],
        }
    }

    /// Cores that the subscription may still use here.
    fn quota(self) -> u32 {
        match self {
            Self::North => 350,
            Self::West => 100,
        }
    }

    pub(super) fn has_machine(self, name: &str) -> bool {
        self.machines().iter().any(|one| one.name == name && !one.missing)
    }

    pub(super) fn machine_names(self) -> String {
        self.machines().iter().filter(|one| !one.missing).map(|one| one.name).collect::<Vec<_>>().join(", ")
    }

    /// What a cluster gets that asks for none.
    pub(super) fn usual_machine(self) -> &'static str {
        self.machines()[0].name
    }

    pub(super) fn has_runtime(self, key: &str) -> bool {
        self.runtimes().iter().any(|(known, _)| *known == key)
    }
}

pub(super) fn answer(region: Region, name: &str) -> Option<Answer> {
    Some(match name {
        "list-node-types" => Reply::list("node_types", region.machines().iter().map(|one| shown(one, region)).collect()),
        "spark-versions" => {
            Reply::list("versions", region.runtimes().iter().map(|(key, name)| json!({ "key": key, "name": name })).collect())
        }
        "list-zones" => Reply::json(json!({ "zones": ["1", "2", "3"], "default_zone": "1" })),
        _ => return None,
    })
}

fn shown(machine: &Machine, region: Region) -> Value {
    let mut info = json!({ "available_core_quota": region.quota(), "total_core_quota": region.quota() });
    if machine.missing {
        info["status"] = json!(["NotAvailableInRegion"]);
    }
    json!({
        "node_type_id": machine.name, "instance_type_id": machine.name, "description": machine.name,
        "category": machine.category, "num_cores": f64::from(machine.cores), "memory_mb": machine.memory_mb,
        "is_deprecated": false, "is_hidden": false, "support_cluster_tags": true, "num_gpus": machine.gpus,
        "node_info": info, "undocumented_order": 1,
    })
}
