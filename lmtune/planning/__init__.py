"""What a sweep will do and cost, before it starts: counted from its file, and measured by probes.

`make` counts, `probes` measures shapes in processes of their own, `forecast` adds up, `limits`
compares with the budget and the machine. Neither Ray nor a trial is started here.
"""
