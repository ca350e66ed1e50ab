"""What is wrong with a desired state that could be read: references, rings, devices, releases, policies.

Diet: the model, the contract, jsonschema for the parameters of rules. Every check returns findings and raises nothing.
"""
