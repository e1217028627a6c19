"""How a study is divided into partitions."""
