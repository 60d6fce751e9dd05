pub fn files() -> palisade::static_files::StaticFiles {
    palisade::include_static!("tests/compile_fail/linked")
}
