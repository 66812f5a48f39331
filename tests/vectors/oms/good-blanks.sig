
 {
    "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
    "verificationMaterial": {
        "publicKey": {
            "hint": "3d875e4318151554bf4616b1ae4a4e33ee4cbc519c4c0503a76174e983ec72ae"
        },
        "tlogEntries": []
    },
    "dsseEnvelope": {
        "payload": "ewogIl90eXBlIjogImh0dHBzOi8vaW4tdG90by5pby9TdGF0ZW1lbnQvdjEiLAogInN1YmplY3QiOiBbCiAgewogICAibmFtZSI6ICJtb2RlbCIsCiAgICJkaWdlc3QiOiB7CiAgICAic2hhMjU2IjogIjdkOTk2ODc1M2VhZmEzYTlmOTBiNGM0ZDllNjdhMmIyN2I1N2RjZGQ0NWRiYjA5N2E0YTlhNTc0OWFjYzdhZjYiCiAgIH0KICB9CiBdLAogInByZWRpY2F0ZVR5cGUiOiAiaHR0cHM6Ly9tb2RlbF9zaWduaW5nL3NpZ25hdHVyZS92MS4wIiwKICJwcmVkaWNhdGUiOiB7CiAgInNlcmlhbGl6YXRpb24iOiB7CiAgICJtZXRob2QiOiAiZmlsZXMiLAogICAiaGFzaF90eXBlIjogInNoYTI1NiIsCiAgICJhbGxvd19zeW1saW5rcyI6IGZhbHNlCiAgfSwKICAicmVzb3VyY2VzIjogWwogICB7CiAgICAibmFtZSI6ICJSRUFETUUubWQiLAogICAgImFsZ29yaXRobSI6ICJzaGEyNTYiLAogICAgImRpZ2VzdCI6ICI5OGFkNjFhMjVlMzY4M2I2YWRmMjQ3NGIwMWJiZTFjMjdkZTZhYWQyY2UzYTgwZmY0MTQwZmU0NzNjMTRlNjkxIgogICB9LAogICB7CiAgICAibmFtZSI6ICJhLWIveCIsCiAgICAiYWxnb3JpdGhtIjogInNoYTI1NiIsCiAgICAiZGlnZXN0IjogIjc2YTc5ODViN2IwNmUxMGI2MGM1MmY4ODYyNDllM2RhMjJmMjU5Zjc2MTVjNGJlZjIxNDkzMjk3ZjBkMjIxZmEiCiAgIH0sCiAgIHsKICAgICJuYW1lIjogImEveCIsCiAgICAiYWxnb3JpdGhtIjogInNoYTI1NiIsCiAgICAiZGlnZXN0IjogIjRmYzA3ZGVmZGZjMzA1ZjEzMzJkOWQ3NzM3MmFmNWY4OTA5OGYzYThkODJkN2UwNWUxZWY4YTVlODk2MGNmN2MiCiAgIH0sCiAgIHsKICAgICJuYW1lIjogImNvbmZpZy5qc29uIiwKICAgICJhbGdvcml0aG0iOiAic2hhMjU2IiwKICAgICJkaWdlc3QiOiAiZTM0NjQzMjAyMWIwNDE3OTUxOGQ5NjE0ZjM1NjBjY2Q3MTM1NGE0ZWUxMDFkZGNiODkzZDY5NTlhOWQ2MzAxYyIKICAgfSwKICAgewogICAgIm5hbWUiOiAid2VpZ2h0cy5nZ3VmIiwKICAgICJhbGdvcml0aG0iOiAic2hhMjU2IiwKICAgICJkaWdlc3QiOiAiZjNhMjVhYTkzYWEyZmJiYTI4ZDc5MjYwNTM1YmJkNmE1ZWIwZmMxYzI0YThiMGYwNGUxMmI0ODRjMWRmZTM2MyIKICAgfQogIF0KIH0KfQ==",
        "payloadType": "application/vnd.in-toto+json",
        "signatures": [
            {
                "sig": "MEYCIQDttqvAXqoYJa+i3w0Bjzc0O1TM47FzUlXm/FsJd5wy+QIhAIAP+ChXyF77rq9tkneypFiLDfbbyY6mmdJdHEDzPd7A",
                "keyid": ""
            }
        ]
    }
}
	 