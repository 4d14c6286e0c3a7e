module bursar.example/client

go 1.18
