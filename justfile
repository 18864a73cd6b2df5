# Conveniences. Nothing needs `just`: each recipe is the one line it runs.

# Build, and start with an example in it
demo:
    cargo run --release -- serve --demo

# Everything, after installing what it needs
test:
    script/test

# What CI runs
ci:
    bash .ci/run

# The numbers of docs/performance/all.md, on a machine that does nothing else
bench:
    cargo run --profile dist -p roster-bench -- all

# What docs/reliability.md promises, shown again: one table, about two hours
soak:
    cargo build --release && python3 script/soak
