module github.com/dray-project/dray/tests/guests-in/go

go 1.26
