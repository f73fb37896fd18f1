//! The files of `fixtures/sample`, inside the program.

macro_rules! files {
    ($($name:literal,)*) => {
        &[$(($name, include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/sample/", $name)))),*]
    };
}

const FILES: &[(&str, &[u8])] = files![
    "canaries.txt",
    "clusters.json",
    "files.json",
    "grants.json",
    "init_scripts.json",
    "jobs.json",
    "policies.json",
    "pools.json",
    "principals.json",
    "repos.json",
    "secrets.json",
    "shown.json",
    "tree.json",
    "content/accruals.scala",
    "content/alerting.py",
    "content/anomalies.r",
    "content/backfill.scala",
    "content/board_kpis.json",
    "content/board_pack.py",
    "content/certs.sh.txt",
    "content/close.sql",
    "content/colon_name.sql",
    "content/concentrator.log",
    "content/daily_load_profile.sql",
    "content/dbfs_entry.py.txt",
    "content/dbt_project.yml",
    "content/demand_jp.py",
    "content/dwd_forecast.py",
    "content/einheiten.py",
    "content/empty.bin",
    "content/etl_main.py.txt",
    "content/every_byte.bin",
    "content/explore_seasons.ipynb",
    "content/forecast_load.r",
    "content/home_0.py",
    "content/home_1.sql",
    "content/home_2.scala",
    "content/home_3.py",
    "content/home_4.py",
    "content/home_5.py",
    "content/home_6.py",
    "content/home_7.sql",
    "content/home_8.py",
    "content/install_agent.sh.txt",
    "content/job_env.txt",
    "content/kpi_model.sql.txt",
    "content/legacy_global.sh.txt",
    "content/load_readings.py",
    "content/looks_like_a_notebook.py.txt",
    "content/meter_file.json",
    "content/mount_disk.sh.txt",
    "content/nightly_main.py",
    "content/northwind_meters.whl.bin",
    "content/odd_name.py",
    "content/per_region.py",
    "content/pixel.png.bin",
    "content/proxy.sh.txt",
    "content/publish.sql",
    "content/quality_gate.py",
    "content/reconcile.sql",
    "content/regional_dr.py",
    "content/regions.yaml",
    "content/replay_gaps.py",
    "content/repro.py",
    "content/requirements.txt",
    "content/scala_native.ipynb",
    "content/score.py",
    "content/settle.jar.bin",
    "content/settle.scala",
    "content/tariffs.sql",
    "content/tune_kernel.sh.txt",
    "content/twin_file.py.txt",
    "content/twin_notebook_lower.py",
    "content/twin_notebook_upper.py",
    "content/umlaut.csv",
    "content/weather_features.py",
];

/// The bytes of a file; none where there is no such file, which the tests of the sample would see.
pub(super) fn bytes(name: &str) -> &'static [u8] {
    FILES.iter().find(|(known, _)| *known == name).map_or(&[], |(_, bytes)| bytes)
}

#[cfg(test)]
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    FILES.iter().map(|(name, _)| *name)
}
