//! The `milvault` program: what is typed, turned into calls of the library and an exit code.

mod cli;

fn main() -> std::process::ExitCode {
    cli::main()
}
