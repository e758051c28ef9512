"""The rules that the city obeys, as data: who may have what, where, at which price."""
