module fanin-bench

go 1.19
