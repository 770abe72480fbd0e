"""Which explainers and measures can be believed?"""
