"""The soak: a daemon under viewers and trouble of all kinds. Does it stay flat?"""
