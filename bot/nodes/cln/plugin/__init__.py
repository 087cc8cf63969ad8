"""`holdfast-hold`, the plugin of lightningd that holds payments.

verdict.py     may this HTLC be kept? Pure: record, HTLC, height, time -> keep, fail or pass on
records.py     what is remembered of a hold, and its form in lightningd's datastore
keeper.py      who has arrived, who is kept; saves before it answers
lightningd.py  what the keeper asks of lightningd
invoices.py    the BOLT 11 invoice of a hold
shell.py       pyln around it: one thread does everything, in order
main.py        the process
"""
